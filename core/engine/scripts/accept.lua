#!lua
-- ACCEPT: make one event durable, once.
--
-- KEYS  run, rdy, cnt, mb, wake, cur, dly, then one dedupe key for each id of the event
-- ARGV  conversation, envelope, dedupe ttl (ms), mailbox limit, depth limit, wake others (1|0), cursor name or "",
--       cursor value, hold (ms)
-- ->    n > 0: NEW, the n-th that was ever accepted here | 0: DUPLICATE | -1: FULL (this mailbox)
--       -2: OVERLOADED (all of them)
--
-- One id seen before makes the whole event a duplicate; its other ids are recorded then too. FULL and OVERLOADED leave
-- no dedupe record, so a redelivery is taken when there is room. The cursor moves unless OVERLOADED: the user of a FULL
-- mailbox was answered. `hold`: an idle conversation gets its turn after so long, counted anew with each such event of
-- the first twenty, so that they are taken together. Repeating a call is harmless: DUPLICATE. Refused whole at maxmemory (no allow-oom).
local run, rdy, cnt, mb, wake, cur, dly = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local conversation, hold = ARGV[1], tonumber(ARGV[9])

local fresh, seen = {}, false
for i = 8, #KEYS do
  if redis.call('SET', KEYS[i], 'a', 'NX', 'PX', ARGV[3]) then
    fresh[#fresh + 1] = KEYS[i]
  else
    seen = true
  end
end

local result
if seen then
  result = 0
elseif redis.call('LLEN', mb) >= tonumber(ARGV[4]) then
  result = -1
elseif tonumber(redis.call('HGET', cnt, 'pending') or 0) >= tonumber(ARGV[5]) then
  result = -2
else
  local depth = redis.call('RPUSH', mb, ARGV[2])
  result = redis.call('HINCRBY', cnt, 'accepted', 1)
  redis.call('HINCRBY', cnt, 'pending', 1)
  local token = redis.call('HGET', run, conversation)
  if hold > 0 and (not token or token == '') and depth <= 20 then
    local time = redis.call('TIME')
    redis.call('ZADD', dly, 'GT', time[1] * 1000 + math.floor(time[2] / 1000) + hold, conversation)
  end
  if not token then
    token = hold > 0 and '' or redis.call('XADD', rdy, '*', 'c', conversation)
    redis.call('HSET', run, conversation, token)
    if ARGV[6] == '1' and redis.call('EXISTS', wake) == 0 then
      redis.call('LPUSH', wake, '1')
    end
  end
end

if result < 0 and #fresh > 0 then
  redis.call('DEL', unpack(fresh))
end
if result ~= -2 and ARGV[7] ~= '' then
  redis.call('HSET', cur, ARGV[7], ARGV[8])
end
return result

#!lua flags=allow-oom
-- FAIL: end a try without an answer.
--
-- KEYS  run, rdy, cnt, st, done, mb, dly, dl, dd (of the first event)
-- ARGV  conversation, token, kind (retry|release|wait|dead), delay (ms), reason, dead letters kept,
--       patience (ms; 0: no end), events, trace of a dead one ("": none)
-- ->    0: IDLE | 1: MORE, a new token is at the tail | 2: ALREADY | 3: DELAYED | 4: OUT OF PATIENCE, dead | -1: STALE
--
-- retry: the same event again, now or after the delay; what was staged is kept. release: the same, and the try does not
-- count. wait: as release, the delay grows to a minute the longer it lasts, and after the patience the event is dead; a
-- release with a delay starts the patience anew. dead: so many events move to the dead letters, and the conversation
-- goes on with the next one.
-- The acknowledgement is the guard as in COMMIT.
local run, rdy, cnt, st, done = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local mb, dly, dl = KEYS[6], KEYS[7], KEYS[8]
local conversation, token, kind, delay = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

if redis.call('XACK', rdy, 'g', token) ~= 1 then
  return redis.call('GET', done) == token and 2 or -1
end
redis.call('SET', done, token, 'PX', 60000)
redis.call('XDEL', rdy, token)

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local waited_out = false
if kind == 'wait' then
  redis.call('HSETNX', st, 'since', now)
  local waited, patience = now - redis.call('HGET', st, 'since'), tonumber(ARGV[7])
  waited_out = patience > 0 and waited >= patience
  delay = math.floor(math.min(delay * (1 + waited / 1000), math.max(delay, 60000)))
end

if kind == 'dead' or waited_out then
  local popped = redis.call('LPOP', mb, ARGV[8]) or {}
  for _, envelope in ipairs(popped) do
    redis.call('XADD', dl, 'MAXLEN', '~', ARGV[6], '*', 'c', conversation, 'e', envelope, 'r', ARGV[5])
  end
  if ARGV[9] ~= '' then
    redis.call('SET', KEYS[9], ARGV[9], 'XX', 'KEEPTTL')
  end
  redis.call('HINCRBY', cnt, 'dead', #popped)
  redis.call('HINCRBY', cnt, 'pending', -#popped)
  redis.call('DEL', st)
  if redis.call('EXISTS', mb) == 0 then
    redis.call('HDEL', run, conversation)
    return waited_out and 4 or 0
  end
else
  if kind ~= 'retry' then
    redis.call('HINCRBY', st, 'tries', -1)
  end
  if kind == 'release' and delay > 0 then
    redis.call('HDEL', st, 'since')
  end
  if delay > 0 then
    redis.call('ZADD', dly, now + delay, conversation)
    redis.call('HSET', run, conversation, '')
    return 3
  end
end
redis.call('HSET', run, conversation, redis.call('XADD', rdy, '*', 'c', conversation))
return waited_out and 4 or 1

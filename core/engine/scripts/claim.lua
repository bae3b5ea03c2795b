#!lua flags=allow-oom
-- CLAIM: take up to `count` waiting conversations, each with all that its turn needs. Never pops.
--
-- KEYS  run, rdy, dly, wake, cnt
-- ARGV  worker, count, history window, events shown, key prefixes of mb, st, sess and note
-- ->    { store time (Unix µs: joined histories are put in order by it), ms until the next delayed conversation is due
--         or -1, events ever accepted,
--         { conversation, token, tries, { envelopes from the head on }, staged or nil, { history, oldest first },
--           { notes or nil, summary or nil, messages ever appended or nil, session id or nil } }, ... }
--
-- A token is delivered once, and its id is higher than all before it: it is the fence. From here on only its holder may
-- STAGE, COMMIT or FAIL. A lost reply leaves tokens to REAP. Delayed conversations that are due get their token first.
-- The events behind the head are shown because some of them bear on it: an edit, a deletion, a word to stop. What ACCEPT
-- numbers higher than what was ever accepted comes behind them.
-- Leaves a wake-up for an idle worker when there may be more than this one asked for.
local run, rdy, dly, wake, cnt = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local worker, count, window = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local next_due = -1
local first = redis.call('ZRANGE', dly, 0, 0, 'WITHSCORES')
if #first > 0 then
  if tonumber(first[2]) <= now then
    for _, conversation in ipairs(redis.call('ZRANGE', dly, '-inf', now, 'BYSCORE', 'LIMIT', 0, 1000)) do
      redis.call('HSET', run, conversation, redis.call('XADD', rdy, '*', 'c', conversation))
      redis.call('ZREM', dly, conversation)
    end
    first = redis.call('ZRANGE', dly, 0, 0, 'WITHSCORES')
  end
  if #first > 0 then
    next_due = math.max(0, tonumber(first[2]) - now)
  end
end

local read = {'XREADGROUP', 'GROUP', 'g', worker, 'COUNT', count, 'STREAMS', rdy, '>'}
local streams = redis.pcall(unpack(read))
if type(streams) == 'table' and streams.err then
  if not string.find(streams.err, 'NOGROUP') then
    return streams
  end
  redis.call('XGROUP', 'CREATE', rdy, 'g', '0', 'MKSTREAM')
  streams = redis.call(unpack(read))
end

local result = {time[1] * 1000000 + time[2], next_due, tonumber(redis.call('HGET', cnt, 'accepted') or 0)}
if not streams then
  return result
end
for _, entry in ipairs(streams[1][2]) do
  local token, conversation = entry[1], entry[2][2]
  local envelopes = redis.call('LRANGE', ARGV[5] .. conversation, 0, ARGV[4] - 1)
  local st = ARGV[6] .. conversation
  local tries = redis.call('HINCRBY', st, 'tries', 1)
  local staged = redis.call('HGET', st, 'staged')
  local history = redis.call('LRANGE', ARGV[7] .. conversation, -window, -1)
  local note = redis.call('HMGET', ARGV[8] .. conversation, 'n', 's', 'c', 'b')
  result[#result + 1] = {conversation, token, tries, envelopes, staged, history, note}
end
if #streams[1][2] == count and redis.call('EXISTS', wake) == 0 then
  redis.call('LPUSH', wake, '1')
end
return result

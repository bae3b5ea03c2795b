#!lua flags=allow-oom
-- FAIL: end a try without an answer.
--
-- KEYS  run, rdy, cnt, st, done, mb, dly, dl
-- ARGV  conversation, token, kind (retry|release|dead), delay (ms), reason, dead letters kept
-- ->    0: IDLE | 1: MORE, a new token is at the tail | 2: ALREADY | 3: DELAYED | -1: STALE
--
-- retry: the same event again, now or after the delay; what was staged is kept. release: the same, and the try does not
-- count. dead: the event moves to the dead letters, and the conversation goes on with the next one.
-- The acknowledgement is the guard as in COMMIT.
local run, rdy, cnt, st, done = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local mb, dly, dl = KEYS[6], KEYS[7], KEYS[8]
local conversation, token, kind, delay = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4])

if redis.call('XACK', rdy, 'g', token) ~= 1 then
  return redis.call('GET', done) == token and 2 or -1
end
redis.call('SET', done, token, 'PX', 60000)
redis.call('XDEL', rdy, token)

if kind == 'dead' then
  redis.call('XADD', dl, 'MAXLEN', '~', ARGV[6], '*', 'c', conversation, 'e', redis.call('LPOP', mb), 'r', ARGV[5])
  redis.call('HINCRBY', cnt, 'dead', 1)
  redis.call('HINCRBY', cnt, 'pending', -1)
  redis.call('DEL', st)
  if redis.call('EXISTS', mb) == 0 then
    redis.call('HDEL', run, conversation)
    return 0
  end
else
  if kind == 'release' then
    redis.call('HINCRBY', st, 'tries', -1)
  end
  if delay > 0 then
    local time = redis.call('TIME')
    redis.call('ZADD', dly, time[1] * 1000 + math.floor(time[2] / 1000) + delay, conversation)
    redis.call('HSET', run, conversation, '')
    return 3
  end
end
redis.call('HSET', run, conversation, redis.call('XADD', rdy, '*', 'c', conversation))
return 1

#!lua flags=allow-oom
-- COMMIT: end a turn: pop its event, write the session and the replies, hand the conversation on.
--
-- KEYS  run, rdy, cnt, st, done, mb, sess, out
-- ARGV  conversation, token, outcome (answered|silent), forget (1|0), history window, session ttl (ms),
--       number of session entries, the entries ..., the replies ...
-- ->    0: IDLE | 1: MORE, a new token is at the tail | 2: ALREADY | -1: STALE
--
-- The acknowledgement guards all that follows: it succeeds once, and only while the token was not taken back, so a
-- repeat after a lost reply pops nothing.
local run, rdy, cnt, st, done = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local mb, sess, out = KEYS[6], KEYS[7], KEYS[8]
local conversation, token, window, entries = ARGV[1], ARGV[2], tonumber(ARGV[5]), tonumber(ARGV[7])

if redis.call('XACK', rdy, 'g', token) ~= 1 then
  return redis.call('GET', done) == token and 2 or -1
end
redis.call('SET', done, token, 'PX', 60000)
redis.call('XDEL', rdy, token)
redis.call('DEL', st)
redis.call('LPOP', mb)
redis.call('HINCRBY', cnt, ARGV[3], 1)
redis.call('HINCRBY', cnt, 'pending', -1)

if ARGV[4] == '1' then
  redis.call('DEL', sess)
end
if entries > 0 then
  local length = redis.call('RPUSH', sess, unpack(ARGV, 8, 7 + entries))
  -- Trimming now and then costs less than trimming always; a claim reads the window only.
  if length > window * 1.25 then
    redis.call('LTRIM', sess, -window, -1)
  end
  redis.call('PEXPIRE', sess, ARGV[6])
end
if #ARGV > 7 + entries then
  for i = 8 + entries, #ARGV do
    redis.call('XADD', out, 'MAXLEN', '~', 200, '*', 'e', ARGV[i])
  end
  redis.call('PEXPIRE', out, ARGV[6])
end

if redis.call('EXISTS', mb) == 1 then
  redis.call('HSET', run, conversation, redis.call('XADD', rdy, '*', 'c', conversation))
  return 1
end
redis.call('HDEL', run, conversation)
return 0

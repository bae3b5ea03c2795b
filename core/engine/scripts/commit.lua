#!lua flags=allow-oom
-- COMMIT: end a turn: pop its events, write the session, the replies and the archive's entry, hand the conversation on.
--
-- KEYS  run, rdy, cnt, st, done, mb, sess, out, note, arc, dd (of the first event)
-- ARGV  conversation, token, outcome (answered|silent), events, forget (1|0), history window, session ttl (ms),
--       notes ("": as they are), notes as they were read, archive entry ("": none), trace ("": none), number of session entries, the entries ...,
--       the replies ...
-- ->    0: IDLE | 1: MORE, a new token is at the tail | 2: ALREADY | -1: STALE
--       a string: CHANGED, these are the notes now, and nothing was done
--
-- The trace takes the place of the mark that the event was accepted, for as long as that is kept.
-- The acknowledgement guards all that follows: it succeeds once, and only while the token was not taken back, so a
-- repeat after a lost reply pops nothing. Notes that REGROUP or ERASE changed meanwhile are not written over.
local run, rdy, cnt, st, done = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local mb, sess, out, note, arc = KEYS[6], KEYS[7], KEYS[8], KEYS[9], KEYS[10]
local conversation, token, events, ttl = ARGV[1], ARGV[2], tonumber(ARGV[4]), ARGV[7]
local window, entries = tonumber(ARGV[6]), tonumber(ARGV[12])

if ARGV[8] ~= '' and ARGV[5] == '0' and redis.call('HGET', run, conversation) == token then
  local now = redis.call('HGET', note, 'n') or ''
  if now ~= ARGV[9] then
    return now
  end
end

if redis.call('XACK', rdy, 'g', token) ~= 1 then
  return redis.call('GET', done) == token and 2 or -1
end
redis.call('SET', done, token, 'PX', 60000)
redis.call('XDEL', rdy, token)
redis.call('DEL', st)
local popped = #(redis.call('LPOP', mb, events) or {})
redis.call('HINCRBY', cnt, ARGV[3], popped)
redis.call('HINCRBY', cnt, 'pending', -popped)

if ARGV[5] == '1' then
  redis.call('DEL', sess, note)
end
if entries > 0 then
  local length = redis.call('RPUSH', sess, unpack(ARGV, 13, 12 + entries))
  -- Trimming now and then costs less than trimming always; a claim reads the window only.
  if length > window * 1.25 then
    redis.call('LTRIM', sess, -window, -1)
  end
  redis.call('HINCRBY', note, 'c', entries)
end
if ARGV[8] ~= '' then
  redis.call('HSET', note, 'n', ARGV[8])
end
if entries > 0 or ARGV[8] ~= '' then
  redis.call('HSETNX', note, 'b', token)
  redis.call('PEXPIRE', sess, ttl)
  redis.call('PEXPIRE', note, ttl)
end
if #ARGV > 12 + entries then
  for i = 13 + entries, #ARGV do
    redis.call('XADD', out, 'MAXLEN', '~', 200, '*', 'e', ARGV[i])
  end
  redis.call('PEXPIRE', out, ttl)
end
if ARGV[10] ~= '' then
  redis.call('XADD', arc, '*', 'e', ARGV[10])
end
if ARGV[11] ~= '' then
  redis.call('SET', KEYS[11], ARGV[11], 'XX', 'KEEPTTL')
end

if redis.call('EXISTS', mb) == 1 then
  redis.call('HSET', run, conversation, redis.call('XADD', rdy, '*', 'c', conversation))
  return 1
end
redis.call('HDEL', run, conversation)
return 0

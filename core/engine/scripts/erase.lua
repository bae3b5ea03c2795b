#!lua flags=allow-oom
-- ERASE: take what a person said out of one conversation, or all of a conversation that is theirs alone.
--
-- KEYS  run, rdy, cnt, dly, mb, st, sess, note, done, out
-- ARGV  conversation, whole (1|0), staged too (1|0), notes as they were read ("": none), notes as they shall be ("": none),
--       number of events, the events ..., number of session entries, the entries ..., ids of the replies ...
-- ->    number of events taken out of the mailbox
--
-- Events and entries are named by their bytes, so what came in meanwhile is not touched. Where anything is taken out, the
-- turn under way may have read it: it loses its token and is STALE from here on; the conversation goes on with a new one.
-- Events taken out count as silent. A new session id refuses a summary that is being made of the old one. Repeating it
-- is harmless.
local run, rdy, cnt, dly, mb, st = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local sess, note, out = KEYS[7], KEYS[8], KEYS[10]
local conversation, whole, staged = ARGV[1], ARGV[2] == '1', ARGV[3] == '1'
local events = tonumber(ARGV[6])
local entries = tonumber(ARGV[7 + events])

local head, removed, forgotten = redis.call('LINDEX', mb, 0), 0, 0
if whole then
  removed = redis.call('LLEN', mb)
  redis.call('DEL', mb, st, sess, note, KEYS[9], out)
else
  for i = 7, 6 + events do
    removed = removed + redis.call('LREM', mb, 0, ARGV[i])
  end
  if redis.call('LINDEX', mb, 0) ~= head then
    redis.call('DEL', st)
  elseif staged then
    redis.call('HDEL', st, 'staged')
  end
  for i = 8 + events, 7 + events + entries do
    forgotten = forgotten + redis.call('LREM', sess, 0, ARGV[i])
  end
  for i = 8 + events + entries, #ARGV do
    redis.call('XDEL', out, ARGV[i])
  end
  if redis.call('EXISTS', note) == 1 then
    local time = redis.call('TIME')
    redis.call('HDEL', note, 's')
    redis.call('HSET', note, 'b', time[1] .. '.' .. time[2])
    if ARGV[5] ~= '' and redis.call('HGET', note, 'n') == ARGV[4] then
      redis.call('HSET', note, 'n', ARGV[5])
    else
      redis.call('HDEL', note, 'n')
    end
  end
end
redis.call('HINCRBY', cnt, 'silent', removed)
redis.call('HINCRBY', cnt, 'pending', -removed)

local token = redis.call('HGET', run, conversation)
if token and (whole or staged or removed > 0 or (forgotten > 0 and token ~= '')) then
  if token ~= '' then
    redis.call('XACK', rdy, 'g', token)
    redis.call('XDEL', rdy, token)
  end
  redis.call('ZREM', dly, conversation)
  if redis.call('EXISTS', mb) == 1 then
    redis.call('HSET', run, conversation, redis.call('XADD', rdy, '*', 'c', conversation))
  else
    redis.call('HDEL', run, conversation)
  end
end
return removed

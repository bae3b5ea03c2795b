#!lua flags=allow-oom
-- REAP: take conversations back from workers that died, and hand them on.
--
-- KEYS  run, rdy, cnt, dl
-- ARGV  lease (ms), count, worker or "", deliveries allowed, dead letters kept, key prefixes of mb and st,
--       tokens to leave alone ...
-- ->    { tokens taken back, events moved to the dead letters }
--
-- Takes tokens whose holder has been silent for the lease; with a worker's name, all that the store says it holds (for
-- the successor of that name, or for itself, when it does not know of them because a reply was lost). Each conversation gets a new token, so the old holder is STALE from here on. What was staged is kept. An
-- event during which workers died too often is a dead letter. Repeating it is harmless: a token is taken back once.
local run, rdy, cnt, dl = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local query = {'XPENDING', rdy, 'g', 'IDLE', ARGV[1], '-', '+', ARGV[2]}
if ARGV[3] ~= '' then
  query = {'XPENDING', rdy, 'g', '-', '+', ARGV[2], ARGV[3]}
end
local pending = redis.pcall(unpack(query))
if pending.err then
  if string.find(pending.err, 'NOGROUP') then
    return {0, 0}
  end
  return pending
end

local kept = {}
for i = 8, #ARGV do
  kept[ARGV[i]] = true
end
local taken, dead = 0, 0
for _, holding in ipairs(pending) do
  local token, entry = holding[1], nil
  if not kept[token] then
    entry = redis.call('XRANGE', rdy, token, token)[1]
    redis.call('XACK', rdy, 'g', token)
  end
  if entry then
    local conversation = entry[2][2]
    local mb, st = ARGV[6] .. conversation, ARGV[7] .. conversation
    taken = taken + 1
    redis.call('XDEL', rdy, token)
    if tonumber(redis.call('HGET', st, 'tries') or 0) >= tonumber(ARGV[4]) then
      dead = dead + 1
      redis.call('XADD', dl, 'MAXLEN', '~', ARGV[5], '*',
        'c', conversation, 'e', redis.call('LPOP', mb), 'r', 'its workers died')
      redis.call('HINCRBY', cnt, 'dead', 1)
      redis.call('HINCRBY', cnt, 'pending', -1)
      redis.call('DEL', st)
    end
    if redis.call('EXISTS', mb) == 1 then
      redis.call('HSET', run, conversation, redis.call('XADD', rdy, '*', 'c', conversation))
    else
      redis.call('HDEL', run, conversation)
    end
  end
end
return {taken, dead}

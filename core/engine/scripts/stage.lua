#!lua flags=allow-oom
-- STAGE: keep what a turn has so far, so that another try of the same event need not make it again.
--
-- KEYS  run, st
-- ARGV  conversation, token, state
-- ->    1: kept | 0: STALE, the turn is somebody else's or over
--
-- Also the fence check before a send.
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[2], 'staged', ARGV[3])
return 1

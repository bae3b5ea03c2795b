#!lua
-- SUMMARIZE: keep a summary with the session that it was made of.
--
-- KEYS  note
-- ARGV  session id, summary
-- ->    1: kept | 0: that session is over
--
-- Refused at maxmemory: nothing waits for a summary.
if redis.call('HGET', KEYS[1], 'b') ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 's', ARGV[2])
return 1

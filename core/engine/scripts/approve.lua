#!lua
-- APPROVE: let the account in that a code was given to.
--
-- KEYS  code, approved (hash), open (sorted set of the channel's codes), own (the account's code)
-- ARGV  code, what the code must hold, account, who it is and since when (JSON)
-- ->    1: done | 0: the code is not open any more
if redis.call('GET', KEYS[1]) ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
redis.call('DEL', KEYS[1], KEYS[4])
redis.call('ZREM', KEYS[3], ARGV[1])
return 1

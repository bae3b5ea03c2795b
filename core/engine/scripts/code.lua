#!lua
-- CODE: keep a code by which another account may ask to be joined with this one.
--
-- KEYS  codes of the account (zset: code -> when it expires, Unix ms), the code
-- ARGV  what the code stands for, its life (ms), how many may be open
-- ->    0: kept | n > 0: too many are open, the next expires in n ms
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then
  return math.max(1, math.ceil(redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2] - now))
end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
redis.call('ZADD', KEYS[1], now + ARGV[2], KEYS[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 0

#!lua
-- GUESS: look a code up; who enters too many wrong ones is told nothing for a while, whatever they enter.
--
-- KEYS  wrong codes of the account (a number), the code
-- ARGV  how many wrong ones are borne, for how long they count (ms)
-- ->    what the code stands for | 0: no such code | n > 0: too many, asked again in n ms
local wrong = tonumber(redis.call('GET', KEYS[1]) or 0)
if wrong >= tonumber(ARGV[1]) then
  return math.max(1, redis.call('PTTL', KEYS[1]))
end
local found = redis.call('GET', KEYS[2])
if found then
  return found
end
if redis.call('INCR', KEYS[1]) == 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 0

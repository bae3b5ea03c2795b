#!lua flags=allow-oom
-- RELEASE: let a lease go before it runs out.
--
-- KEYS  lease
-- ARGV  its value
-- ->    1: it is free | 0: it ran out before, or it is another's
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('DEL', KEYS[1])

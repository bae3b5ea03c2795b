#!lua flags=allow-oom
-- RENEW: keep a lease for longer.
--
-- KEYS  lease
-- ARGV  its value, length from now (ms)
-- ->    1: kept | 0: it ran out, or it is another's
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])

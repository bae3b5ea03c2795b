#!lua flags=allow-oom
-- PAIR: whether an account was let in; where not, the code by which it can be.
--
-- KEYS  approved (hash), open (sorted set of the channel's codes), own (the account's code), code (that of the candidate)
-- ARGV  account, candidate code or "" (give none), event id, who asks (JSON), life of a code (ms), open codes at most,
--       ms between two times that an account is told its code
-- ->    { 1 }: let in | { 0 }: say nothing | { 0, code }: say it
--
-- An account has one code until that expires; the event that was told it is told it again when it is tried again. A full
-- list gives no more codes, and takes none away from those who may have passed theirs on.
local approved, open, own, code = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local account, candidate, event = ARGV[1], ARGV[2], ARGV[3]
if redis.call('HEXISTS', approved, account) == 1 then
  return {1}
end
if candidate == '' then
  return {0}
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local known = redis.call('HMGET', own, 'code', 'event', 'told')
if known[1] then
  if known[2] ~= event and now - tonumber(known[3]) < tonumber(ARGV[7]) then
    return {0}
  end
  redis.call('HSET', own, 'event', event, 'told', now)
  return {0, known[1]}
end

redis.call('ZREMRANGEBYSCORE', open, '-inf', now)
if redis.call('ZCARD', open) >= tonumber(ARGV[6]) or redis.call('EXISTS', code) == 1 then
  return {0}
end
redis.call('ZADD', open, now + tonumber(ARGV[5]), candidate)
redis.call('PEXPIRE', open, ARGV[5])
redis.call('SET', code, ARGV[4], 'PX', ARGV[5])
redis.call('HSET', own, 'code', candidate, 'event', event, 'told', now)
redis.call('PEXPIRE', own, ARGV[5])
return {0, candidate}

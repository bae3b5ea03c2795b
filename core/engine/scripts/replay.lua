#!lua
-- REPLAY: put a dead letter back at the end of its conversation's mailbox.
--
-- KEYS  run, rdy, cnt, dl, wake
-- ARGV  id, key prefix of mb
-- ->    1: done | 0: no such dead letter
--
-- The event counts as pending again, no longer as dead. Repeating it is harmless: the letter is gone.
local run, rdy, cnt, dl, wake = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local letter = redis.call('XRANGE', dl, ARGV[1], ARGV[1])[1]
if not letter then
  return 0
end
local conversation, envelope = letter[2][2], letter[2][4]
redis.call('XDEL', dl, ARGV[1])
redis.call('RPUSH', ARGV[2] .. conversation, envelope)
redis.call('HINCRBY', cnt, 'dead', -1)
redis.call('HINCRBY', cnt, 'pending', 1)
if redis.call('HEXISTS', run, conversation) == 0 then
  redis.call('HSET', run, conversation, redis.call('XADD', rdy, '*', 'c', conversation))
  if redis.call('EXISTS', wake) == 0 then
    redis.call('LPUSH', wake, '1')
  end
end
return 1

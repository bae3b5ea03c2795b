#!lua
-- BURY: accept an event as a dead letter, once: its mailbox stayed full.
--
-- KEYS  cnt, dl, then one dedupe key for each id of the event
-- ARGV  conversation, envelope, dedupe ttl (ms), dead letters kept, reason
-- ->    1: done | 0: DUPLICATE
--
-- It counts as accepted and as dead. Repeating it is harmless: DUPLICATE. Refused whole at maxmemory (no allow-oom).
for i = 3, #KEYS do
  if not redis.call('SET', KEYS[i], 'a', 'NX', 'PX', ARGV[3]) then
    return 0
  end
end
redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[4], '*', 'c', ARGV[1], 'e', ARGV[2], 'r', ARGV[5])
redis.call('HINCRBY', KEYS[1], 'accepted', 1)
redis.call('HINCRBY', KEYS[1], 'dead', 1)
return 1

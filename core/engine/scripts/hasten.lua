#!lua flags=allow-oom
-- HASTEN: make due now the conversations that wait (FAIL, wait) for something that is back.
--
-- KEYS  dly
-- ARGV  cursor ("0" to begin), pattern of their names, key prefix of st
-- ->    { next cursor ("0": done), how many }
--
-- Those that are delayed for another reason, as by a platform's own word, keep their time. Repeating it is harmless.
local page = redis.call('ZSCAN', KEYS[1], ARGV[1], 'MATCH', ARGV[2], 'COUNT', 500)
local hastened = 0
for i = 1, #page[2], 2 do
  local conversation = page[2][i]
  if redis.call('HEXISTS', ARGV[3] .. conversation, 'since') == 1 then
    redis.call('ZADD', KEYS[1], 0, conversation)
    hastened = hastened + 1
  end
end
return {page[1], hastened}

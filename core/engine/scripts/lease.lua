#!lua flags=allow-oom
-- LEASE: be the only one who uses something.
--
-- KEYS  lease
-- ARGV  holder, a word that is used once, length (ms)
-- ->    { 1: ours | 0: another's, the lease's value or since when it is theirs (Unix s) }
--
-- A holder's name belongs to one living process: what an earlier process of that name held is ours at once. Repeating it
-- with the same word is harmless.
local held = redis.call('GET', KEYS[1])
if held then
  local since, holder = string.match(held, '^(%d+) %S+ (.*)$')
  if holder ~= ARGV[1] then
    return {0, since}
  end
end
local value = redis.call('TIME')[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[1]
redis.call('SET', KEYS[1], value, 'PX', ARGV[3])
return {1, value}

#!lua
-- SUMMARIZE: keep a summary with the session that it was made of.
--
-- KEYS  note
-- ARGV  session id, summary (JSON, `upto`: the number of the first message that it does not cover)
-- ->    1: kept | 0: that session is over, or one is kept that reaches as far
--
-- Of two processes that look back at the same time the one that saw less may be the last to finish. Refused at
-- maxmemory: nothing waits for a summary.
local session, kept, count = unpack(redis.call('HMGET', KEYS[1], 'b', 's', 'c'))
if session ~= ARGV[1] then
  return 0
end
local is_read, summary = pcall(cjson.decode, kept or '')
local reach = is_read and type(summary) == 'table' and tonumber(summary.upto) or -1
-- One that reaches beyond the session is of another, and in the way of all that follow.
if reach >= cjson.decode(ARGV[2]).upto and reach <= tonumber(count or 0) then
  return 0
end
redis.call('HSET', KEYS[1], 's', ARGV[2])
return 1

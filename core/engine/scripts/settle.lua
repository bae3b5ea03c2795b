#!lua flags=allow-oom
-- SETTLE: a try of a turn is over: give back the money it did not need, or book what it took beyond that, and count its
-- tokens.
--
-- KEYS  turn, user
-- ARGV  name of the try, money spent (micro-units), tokens, how long the store still knows the turn (ms)
-- ->    1: settled | 0: it was settled before, another try has set money aside since, or there is nothing to settle
--
-- Repeating it is harmless. Money goes back only into the window that it was taken from: what was set aside yesterday
-- makes today no richer. A turn that did not RESERVE is counted as a message here, if it cost anything. Without this call
-- the money counts as spent, and the store forgets the turn in time.
local turn, user, try = KEYS[1], KEYS[2], ARGV[1]
local spent, tokens = tonumber(ARGV[2]), tonumber(ARGV[3])
local record = redis.call('HGETALL', turn)
local fields = {}
for i = 1, #record, 2 do
  fields[record[i]] = record[i + 1]
end
local is_open, is_ours = fields.open == '1', fields.by == try
if is_open ~= is_ours and fields.sum or (not fields.sum and spent == 0 and tokens == 0) then
  return 0
end

local surplus = tonumber(fields.sum or 0) - spent
for name, value in pairs(fields) do
  local field, key = string.match(name, '^(b%a+)@(.*)$')
  if field then
    local till, taken = string.match(value, '^(%d+)|(%d+)$')
    local change = math.min(surplus, tonumber(taken))
    if change ~= 0 and redis.call('HGET', key, field .. ':end') == till then
      redis.call('HINCRBY', key, field, string.format('%.0f', -change))
    end
    redis.call('HDEL', turn, name)
  end
end

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local till = (math.floor(now / 86400000) + 1) * 86400000
if redis.call('HGET', user, 'used:end') ~= string.format('%.0f', till) then
  redis.call('HSET', user, 'used:end', till, 'used:messages', 0, 'used:tokens', 0, 'used:cost', 0)
end
if not fields.sum then
  redis.call('HINCRBY', user, 'used:messages', 1)
end
redis.call('HINCRBY', user, 'used:tokens', tokens)
redis.call('HINCRBY', user, 'used:cost', spent)
if redis.call('PTTL', user) < till - now then
  redis.call('PEXPIREAT', user, till)
end
redis.call('HSET', turn, 'sum', fields.sum or 0, 'open', 0, 'by', try)
redis.call('PEXPIRE', turn, ARGV[4])
return 1

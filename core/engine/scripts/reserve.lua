#!lua flags=allow-oom
-- RESERVE: let a turn count as a message, and set money aside for a try of it, in all its windows or in none.
--
-- KEYS  turn, user, room, channel, hub
-- ARGV  id of the turn, whose user is told of a refusal ("": nobody is), name of the try, money in all (micro-units),
--       how long the store knows the turn (ms), then for each limit:
--       number of its key (2..5), kind (n: messages | b: money), most in a window, period (ms | hour | day | month)
-- ->    { 1, money set aside for the turn }
--       | { 0, number of the limit that refused, ms until its window ends, 1 where nobody was told of it yet }
--
-- Repeating it is harmless: a turn counts as one message, and the money is what the try is to have in all, not what comes
-- on top, so the same call also raises it. Another try sets aside anew: what the one before did not SETTLE stays in its
-- windows, since it died, and nobody knows how much of it was spent. What was settled is closed.
-- A window of messages begins with the first one; one of money is the hour, day or month of the calendar in UTC. Of the
-- limits that refuse, the one that lasts longest is told. Who is told of it is the user of a limit of their own, else
-- the room; the turn that was told is told again when it is tried again.
local turn, id, try, wanted = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local DAY = 86400000

local function month_end()
  local today, days, year = math.floor(now / DAY), 19723, 2024
  while true do
    for month = 1, 12 do
      local length = (month == 4 or month == 6 or month == 9 or month == 11) and 30 or 31
      if month == 2 then
        length = ((year % 4 == 0 and year % 100 ~= 0) or year % 400 == 0) and 29 or 28
      end
      days = days + length
      if days > today then
        return days * DAY
      end
    end
    year = year + 1
  end
end

local function window_end(period)
  if period == 'month' then
    return month_end()
  elseif period == 'day' or period == 'hour' then
    local length = period == 'day' and DAY or 3600000
    return (math.floor(now / length) + 1) * length
  end
  return now + tonumber(period)
end

-- A key lives as long as the last of its windows.
local function keep(key, till)
  if redis.call('PTTL', key) < till - now then
    redis.call('PEXPIREAT', key, till)
  end
end

local known, open, by = unpack(redis.call('HMGET', turn, 'sum', 'open', 'by'))
local is_open = open == '1' and by == try
local held = is_open and tonumber(known) or 0
local message = known and 0 or 1
local more = math.max(0, wanted - held)
if is_open and more == 0 then
  return {1, held}
end

local limits, refused = {}, nil
for i = 5, #ARGV, 4 do
  local limit = {number = (i - 5) / 4, key = KEYS[tonumber(ARGV[i])], kind = ARGV[i + 1]}
  limit.field = limit.kind .. ARGV[i + 3]
  limit.take = limit.kind == 'n' and message or more
  local found = redis.call('HMGET', limit.key, limit.field, limit.field .. ':end')
  limit.count, limit.till = tonumber(found[1]), tonumber(found[2])
  if not limit.till or limit.till <= now then
    limit.count, limit.till = 0, window_end(ARGV[i + 3])
  end
  local is_over = limit.take > 0 and limit.count + limit.take > tonumber(ARGV[i + 2])
  if is_over and (not refused or limit.till > refused.till) then
    refused = limit
    refused.scope = ARGV[i]
  end
  limits[#limits + 1] = limit
end

if refused then
  local teller = refused.scope == '2' and KEYS[2] or KEYS[3]
  local field = 'told:' .. refused.scope .. refused.field
  local told = string.format('%.0f', refused.till)
  local last = redis.call('HGET', teller, field)
  local first = last == told .. '|' .. id and 1 or 0
  if id ~= '' and (not last or string.match(last, '^%d+') ~= told) then
    redis.call('HSET', teller, field, told .. '|' .. id)
    keep(teller, refused.till)
    first = 1
  end
  return {0, refused.number, refused.till - now, first}
end

if not is_open then
  redis.call('DEL', turn)
end
for _, limit in ipairs(limits) do
  if limit.take > 0 or limit.kind == 'b' then
    redis.call('HSET', limit.key, limit.field, limit.count + limit.take, limit.field .. ':end', limit.till)
    keep(limit.key, limit.till)
  end
  if limit.kind == 'b' then
    -- How much of the money lies in which window: that is what SETTLE may give back.
    local name, taken = limit.field .. '@' .. limit.key, limit.take
    local before = is_open and redis.call('HGET', turn, name)
    if before then
      local till, amount = string.match(before, '^(%d+)|(%d+)$')
      taken = tonumber(till) == limit.till and taken + amount or taken
    end
    redis.call('HSET', turn, name, string.format('%.0f|%.0f', limit.till, taken))
  end
end
if message == 1 then
  local till = window_end('day')
  if redis.call('HGET', KEYS[2], 'used:end') ~= string.format('%.0f', till) then
    redis.call('HSET', KEYS[2], 'used:end', till, 'used:messages', 0, 'used:tokens', 0, 'used:cost', 0)
  end
  redis.call('HINCRBY', KEYS[2], 'used:messages', 1)
  keep(KEYS[2], till)
end
redis.call('HSET', turn, 'sum', held + more, 'open', 1, 'by', try)
redis.call('PEXPIRE', turn, ARGV[4])
return {1, held + more}

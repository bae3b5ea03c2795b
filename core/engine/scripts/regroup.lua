#!lua flags=allow-oom
-- REGROUP: change which accounts are one person, and move sessions and waiting events along: all of it or nothing.
--
-- KEYS  people, persons
-- ARGV  a plan in JSON (`Plan` in core/people/plan.py)
-- ->    1: done | 0: CONFLICT, something is not as the plan was made for | 2: ALREADY | -1: STALE
--       -2: BUSY, a conversation that is to move has a turn or events | -3: GONE, the code was used or has expired
--
-- With a claim, only its holder may do this, as with COMMIT. Either the claim ends here and its events go on elsewhere
-- from the head on (FORWARD), or it stays, and those behind the head go. A conversation that moves and is not the
-- claimed one must be idle, so that no turn can write to it afterwards. Nothing is written unless all is.
local people, persons = KEYS[1], KEYS[2]
local plan = cjson.decode(ARGV[1])
local claim = plan.claim

if claim and redis.call('HGET', claim.at.run, claim.at.name) ~= claim.token then
  return redis.call('GET', claim.done) == claim.token and 2 or -1
end
for _, pair in ipairs(plan.were) do
  if (redis.call('HGET', people, pair[1]) or '') ~= pair[2] then
    return 0
  end
end
for _, pair in ipairs(plan.read) do
  if (redis.call('HGET', persons, pair[1]) or '') ~= pair[2] then
    return 0
  end
end
if claim and claim.count > 0 and redis.call('LLEN', claim.at.mb) ~= claim.count then
  return 0
end
if plan.code ~= '' and redis.call('EXISTS', plan.code) == 0 then
  return -3
end
for _, move in ipairs(plan.moves) do
  local is_claimed = claim and move[1].name == claim.at.name
  if not is_claimed and redis.call('HEXISTS', move[1].run, move[1].name) == 1 then
    return -2
  end
end

for _, pair in ipairs(plan.are) do
  if pair[2] == '' then
    redis.call('HDEL', people, pair[1])
  else
    redis.call('HSET', people, pair[1], pair[2])
  end
end
for _, pair in ipairs(plan.write) do
  if pair[2] == '' then
    redis.call('HDEL', persons, pair[1])
  else
    redis.call('HSET', persons, pair[1], pair[2])
  end
end
if plan.code ~= '' then
  redis.call('DEL', plan.code)
  redis.call('ZREM', plan.codes, plan.code)
end
if plan.mark ~= '' then
  redis.call('SET', plan.mark, plan.marked, 'PX', plan.mark_ms)
end

-- Sessions: merged by time; what the target's summary covers stays in front, so that its numbers stay true.
local function decoded(record)
  local is_read, value = pcall(cjson.decode, record or '')
  return is_read and type(value) == 'table' and value or {}
end

local function said_at(record)
  local time = decoded(record).time
  return type(time) == 'number' and time or 0
end

local function merged(left, right, covered)
  local result, l, r = {}, covered + 1, 1
  for i = 1, covered do
    result[i] = left[i]
  end
  while l <= #left or r <= #right do
    local next_left = left[l] and said_at(left[l])
    local next_right = right[r] and said_at(right[r])
    if next_left and (not next_right or next_left <= next_right) then
      result[#result + 1], l = left[l], l + 1
    else
      result[#result + 1], r = right[r], r + 1
    end
  end
  return result
end

local function move_session(from, to)
  local lives = {}
  for _, name in ipairs({'sess', 'note'}) do
    lives[name] = math.max(redis.call('PTTL', from[name]), redis.call('PTTL', to[name]))
  end
  local theirs = redis.call('LRANGE', from.sess, 0, -1)
  local note = redis.call('HMGET', from.note, 'n', 's', 'c', 'b')
  local ours = redis.call('LRANGE', to.sess, 0, -1)
  local kept = redis.call('HMGET', to.note, 'n', 's', 'c', 'b')
  local count = tonumber(kept[3] or #ours)
  local first, our_summary = count - #ours, decoded(kept[2])
  if #ours == 0 then
    first, count = tonumber(note[3] or #theirs) - #theirs, 0
    if #theirs > 0 then
      redis.call('HSET', to.note, 'c', first + #theirs)
    end
    if note[2] then
      redis.call('HSET', to.note, 's', note[2])
    end
  else
    if #theirs > 0 then
      redis.call('HSET', to.note, 'c', count + #theirs)
    end
    local theirs_in_short = decoded(note[2]).text
    if theirs_in_short then
      local text = our_summary.text and our_summary.text .. '\n\n' .. theirs_in_short or theirs_in_short
      redis.call('HSET', to.note, 's', cjson.encode({text = text, upto = our_summary.upto or first}))
    end
  end
  if #theirs > 0 then
    local covered = math.max(0, math.min(#ours, (our_summary.upto or first) - first))
    local records = merged(ours, theirs, covered)
    redis.call('DEL', to.sess)
    for i = 1, #records, 500 do
      redis.call('RPUSH', to.sess, unpack(records, i, math.min(i + 499, #records)))
    end
  end
  if note[1] and not kept[1] then
    redis.call('HSET', to.note, 'n', note[1])
  elseif note[1] then
    local pins = decoded(note[1]).pins
    if type(pins) == 'table' and #pins > 0 then
      local notes, known = decoded(kept[1]), {}
      notes.pins = type(notes.pins) == 'table' and notes.pins or {}
      for _, pin in ipairs(notes.pins) do
        known[pin] = true
      end
      for _, pin in ipairs(pins) do
        if not known[pin] then
          notes.pins[#notes.pins + 1] = pin
        end
      end
      redis.call('HSET', to.note, 'n', cjson.encode(notes))
    end
  end
  -- Another session from here on: what is still made of one of the two has other numbers.
  local session = kept[4] and note[4] and kept[4] .. '+' or kept[4] or note[4]
  if session then
    redis.call('HSET', to.note, 'b', session)
  end
  for name, life in pairs(lives) do
    if life > 0 then
      redis.call('PEXPIRE', to[name], life)
    end
  end
  redis.call('DEL', from.sess, from.note)
end

for _, move in ipairs(plan.moves) do
  move_session(move[1], move[2])
end

-- Events: they keep their order and their place in the count of what is pending.
local function hand(at)
  if redis.call('HEXISTS', at.run, at.name) == 0 then
    redis.call('HSET', at.run, at.name, redis.call('XADD', at.rdy, '*', 'c', at.name))
    if redis.call('EXISTS', at.wake) == 0 then
      redis.call('LPUSH', at.wake, '1')
    end
  end
end

if claim then
  local at = claim.at
  local waiting = redis.call('LRANGE', at.mb, 0, -1)
  local stay = {}
  for i, envelope in ipairs(waiting) do
    local to = plan.events[i] or plan.rest
    if type(to) ~= 'table' or to.name == at.name or (i == 1 and not claim.ends) then
      stay[#stay + 1] = envelope
    else
      redis.call('RPUSH', to.mb, envelope)
      if to.cnt ~= at.cnt then
        redis.call('HINCRBY', at.cnt, 'pending', -1)
        redis.call('HINCRBY', to.cnt, 'pending', 1)
      end
      hand(to)
    end
  end
  if #stay < #waiting then
    redis.call('DEL', at.mb)
    for _, envelope in ipairs(stay) do
      redis.call('RPUSH', at.mb, envelope)
    end
  end
  if claim.ends then
    redis.call('SET', claim.done, claim.token, 'PX', 60000)
    redis.call('XACK', at.rdy, 'g', claim.token)
    redis.call('XDEL', at.rdy, claim.token)
    redis.call('DEL', claim.st)
    redis.call('HDEL', at.run, at.name)
    if #stay > 0 then
      hand(at)
    end
  end
end

if #plan.changed > 0 then
  redis.call('PUBLISH', plan.channel, cjson.encode(plan.changed))
end
return 1

#!lua flags=allow-oom
-- SWEEP: belt and braces: give a token to any conversation that has events and lost its token.
--
-- KEYS  run, rdy, dly
-- ARGV  cursor ("0" to begin), key prefix of mb
-- ->    { next cursor ("0": done), conversations repaired }
--
-- The other scripts leave nothing to repair; a count above 0 is a fault to be reported.
local run, rdy, dly = KEYS[1], KEYS[2], KEYS[3]
local page = redis.call('HSCAN', run, ARGV[1], 'COUNT', 200)
local repaired = 0
for i = 1, #page[2], 2 do
  local conversation, token = page[2][i], page[2][i + 1]
  local alive
  if token == '' then
    alive = redis.call('ZSCORE', dly, conversation)
  else
    alive = #redis.call('XRANGE', rdy, token, token) > 0
  end
  if not alive then
    repaired = repaired + 1
    if redis.call('EXISTS', ARGV[2] .. conversation) == 1 then
      redis.call('HSET', run, conversation, redis.call('XADD', rdy, '*', 'c', conversation))
    else
      redis.call('HDEL', run, conversation)
    end
  end
end
return {page[1], repaired}

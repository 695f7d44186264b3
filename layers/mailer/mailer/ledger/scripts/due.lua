-- Claim due emails; a claim expires if its sweep dies before admission (a visibility timeout).
-- KEYS: 1 due
-- ARGV: 1 how many
--       2 life of the claim (ms)

local now = clock()
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', format_int(now), 'LIMIT', 0, tonumber(ARGV[1]))
for _, id in ipairs(ids) do
  redis.call('ZADD', KEYS[1], format_int(now + tonumber(ARGV[2])), id)
end
return ids

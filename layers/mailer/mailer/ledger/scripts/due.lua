-- Which emails are due? What is handed out comes back by itself if its sweep dies before it is admitted.
-- KEYS: due. ARGV: how many, for how long they are handed out.

local now = clock()
local ids = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(now), 'LIMIT', 0, tonumber(ARGV[1]))
for _, id in ipairs(ids) do
  redis.call('ZADD', KEYS[1], whole(now + tonumber(ARGV[2])), id)
end
return ids

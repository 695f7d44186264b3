-- One item for one recipient's next digest; the same item_id counts once, also after its digest has gone.
-- KEYS: recipients, items, seen, recipient. ARGV: what is given as JSON.

local given = cjson.decode(ARGV[1])
local recipients, items, seen, recipient = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = clock()

redis.call('ZREMRANGEBYSCORE', seen, '-inf', format_int(now - given.ttl))
if redis.call('ZADD', seen, 'NX', format_int(now), given.item_id) == 0 then
  return 0
end
redis.call('ZREMRANGEBYRANK', seen, 0, -(given.seen_max + 1))
redis.call('RPUSH', items, format_int(now) .. ' ' .. given.item)
if redis.call('LLEN', items) > given.keep then
  redis.call(given.newest and 'LPOP' or 'RPOP', items)
  redis.call('HINCRBY', recipient, 'dropped', 1)
end
redis.call('HSETNX', recipient, 'address', given.address)
if given.time_zone then
  redis.call('HSET', recipient, 'time_zone', given.time_zone)
end
redis.call('ZADD', recipients, 0, given.recipient)
redis.call('PEXPIRE', items, format_int(given.ttl))
redis.call('PEXPIRE', seen, format_int(given.ttl))
if redis.call('HEXISTS', recipient, 'window') == 0 then
  redis.call('PEXPIRE', recipient, format_int(given.ttl + given.retention))
end
return 1

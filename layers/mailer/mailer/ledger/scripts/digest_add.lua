-- Add one item for a recipient's next digest, once per item_id, also after its digest was sent.
-- KEYS: 1 recipients
--       2 items
--       3 seen
--       4 recipient
-- ARGV: 1 the parameters as JSON: item_id, item (JSON text), address, recipient (address hash); max_stored_items,
--         newest_first; ttl (ms), retention (ms), seen_max; time_zone (may be absent)

local params = cjson.decode(ARGV[1])
local recipients, items, seen, recipient = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = clock()

redis.call('ZREMRANGEBYSCORE', seen, '-inf', format_int(now - params.ttl))
if redis.call('ZADD', seen, 'NX', format_int(now), params.item_id) == 0 then
  return 0
end
redis.call('ZREMRANGEBYRANK', seen, 0, -(params.seen_max + 1))
redis.call('RPUSH', items, format_int(now) .. ' ' .. params.item)
if redis.call('LLEN', items) > params.max_stored_items then
  redis.call(params.newest_first and 'LPOP' or 'RPOP', items)
  redis.call('HINCRBY', recipient, 'dropped', 1)
end
redis.call('HSETNX', recipient, 'address', params.address)
if params.time_zone then
  redis.call('HSET', recipient, 'time_zone', params.time_zone)
end
redis.call('ZADD', recipients, 0, params.recipient)
redis.call('PEXPIRE', items, format_int(params.ttl))
redis.call('PEXPIRE', seen, format_int(params.ttl))
if redis.call('HEXISTS', recipient, 'window') == 0 then
  redis.call('PEXPIRE', recipient, format_int(params.ttl + params.retention))
end
return 1

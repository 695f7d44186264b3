-- Add one item for a recipient's next digest, once per item_id, also after its digest was sent. Returns 1, or 0 for an
-- item that was added before, or -1 where the dead letters, one of which it may become, have too many bytes.
-- KEYS: 1-7 the keys of the recipient (digest.lua)
--       8 seen
-- ARGV: 1 the parameters (digest.lua) and: item_id, item (JSON text), address; max_stored_items, newest_first;
--         ttl (ms), seen_max, dead_letters_max; time_zone (may be absent)

local params = cjson.decode(ARGV[1])
local keys, seen = digest_keys(), KEYS[8]
local now = clock()
local memory = params.ttl + params.retention

redis.call('ZREMRANGEBYSCORE', seen, '-inf', format_int(now - memory))
if dead_letters_full(keys, params.dead_letters_max) and not redis.call('ZSCORE', seen, params.item_id) then
  return -1
end
if redis.call('ZADD', seen, 'NX', format_int(now), params.item_id) == 0 then
  return 0
end
redis.call('ZREMRANGEBYRANK', seen, 0, -(params.seen_max + 1))
redis.call('PEXPIRE', seen, format_int(memory))
local recipient = load_recipient(keys, now, params.ttl)
redis.call('RPUSH', keys.items, format_int(now) .. ' ' .. params.item)
if redis.call('LLEN', keys.items) > params.max_stored_items then
  redis.call(params.newest_first and 'LPOP' or 'RPOP', keys.items)
  redis.call('HINCRBY', keys.recipient, 'dropped', 1)
end
redis.call('HSETNX', keys.recipient, 'address', params.address)
if params.time_zone then
  redis.call('HSET', keys.recipient, 'time_zone', params.time_zone)
end
save_recipient(keys, params, recipient)
return 1

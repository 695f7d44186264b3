-- Add one item for a recipient's next digest, once per item_id, also after its digest was sent. Returns 1, or 0 for an
-- item that was added before, or -1 where the dead letters, one of which it may become, have too many bytes.
-- KEYS: 1-7 the keys of the recipient (digest.lua)
--       8 seen
--       9 runs: the unfinished runs of the digest
--       then for each earlier hash of the address: items, frozen, recipient, seen
-- ARGV: 1 the parameters (digest.lua) and: item_id, item (JSON text), address; max_stored_items, newest_first;
--         ttl (ms), seen_max, dead_letters_max, earlier (these hashes); time_zone (may be absent)

local params = cjson.decode(ARGV[1])
local keys, seen, runs = digest_keys(), KEYS[8], KEYS[9]
local now = clock()

-- What there is under an earlier hash of the address, of version 0.1.0 or another key, moves to today's. It stays where
-- it is, new item included, while a window is open, whose email goes by the hash, or a run goes through them in order.
local function use_earlier(hash, items, frozen, recipient, known)
  if redis.call('EXISTS', items, frozen, recipient, known) == 0
    or redis.call('EXISTS', keys.items, keys.frozen, keys.recipient, seen) > 0 then
    return
  end
  if redis.call('EXISTS', frozen, runs) > 0 or redis.call('HEXISTS', recipient, 'window') == 1 then
    keys.items, keys.frozen, keys.recipient, seen, params.recipient = items, frozen, recipient, known, hash
    return
  end
  for earlier, key in pairs({ [items] = keys.items, [recipient] = keys.recipient, [known] = seen }) do
    if redis.call('EXISTS', earlier) == 1 then
      redis.call('RENAME', earlier, key)
    end
  end
  if redis.call('ZREM', keys.recipients, hash) == 1 then
    redis.call('ZADD', keys.recipients, 0, params.recipient)
  end
  local member = params.digest .. ':' .. hash
  local look_at = redis.call('ZSCORE', keys.expiry, member)
  if look_at then
    redis.call('ZREM', keys.expiry, member)
    redis.call('ZADD', keys.expiry, look_at, params.digest .. ':' .. params.recipient)
  end
end
for index, hash in ipairs(params.earlier) do
  use_earlier(hash, unpack(KEYS, 4 * index + 6, 4 * index + 9))
end
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

-- Freeze a recipient's items into a window, or resume an earlier window that is not closed.
-- KEYS: 1 recipients
--       2 items
--       3 frozen
--       4 recipient
-- ARGV: 1 the parameters as JSON: recipient (address hash), scheduled_at; ttl (ms); max_items, newest_first;
--         window (may be absent)

local params = cjson.decode(ARGV[1])
local recipients, items, frozen, key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = clock()
local recipient = load(key)

local function verdict(name)
  return cjson.encode({ verdict = name })
end

if not recipient.window then
  if not params.window then
    return verdict('nothing')
  end
  if recipient.last_window and recipient.last_window >= params.window then
    return verdict('already_sent')
  end
  local oldest = redis.call('LINDEX', items, 0)
  while oldest and tonumber(oldest:match('^%d+')) <= now - params.ttl do
    redis.call('LPOP', items)
    oldest = redis.call('LINDEX', items, 0)
  end
  if not oldest then
    redis.call('ZREM', recipients, params.recipient)
    return verdict('nothing')
  end
  redis.call('RENAME', items, frozen)
  redis.call('PERSIST', frozen)
  redis.call('PERSIST', key)
  set_fields(key, recipient, { window = params.window, missed = recipient.dropped or '0' })
  redis.call('HDEL', key, 'dropped')
end

if recipient.scheduled_at ~= params.scheduled_at then
  set_fields(key, recipient, {
    scheduled_at = params.scheduled_at,
    attempts = tonumber(recipient.attempts or '0') + 1,
  })
end
local count = redis.call('LLEN', frozen)
local first, last = 0, params.max_items - 1
if params.newest_first then
  first, last = -params.max_items, -1
end
local shown = {}
for index, entry in ipairs(redis.call('LRANGE', frozen, first, last)) do
  shown[index] = entry:match('^%d+ (.*)$')
end
return cjson.encode({
  verdict = 'frozen',
  window = recipient.window,
  address = recipient.address,
  total = count + tonumber(recipient.missed),
  attempts = tonumber(recipient.attempts),
  items = shown,
})

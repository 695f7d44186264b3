-- The items of one recipient's digest for a window. What an earlier window froze comes first, until it is closed.
-- KEYS: recipients, items, frozen, recipient. ARGV: the question as JSON.

local ask = cjson.decode(ARGV[1])
local recipients, items, frozen, key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local now = clock()
local recipient = load(key)

local function verdict(name)
  return cjson.encode({ verdict = name })
end

if not recipient.window then
  if not ask.window then
    return verdict('nothing')
  end
  if recipient.last_window and recipient.last_window >= ask.window then
    return verdict('already_sent')
  end
  local oldest = redis.call('LINDEX', items, 0)
  while oldest and tonumber(oldest:match('^%d+')) <= now - ask.ttl do
    redis.call('LPOP', items)
    oldest = redis.call('LINDEX', items, 0)
  end
  if not oldest then
    redis.call('ZREM', recipients, ask.recipient)
    return verdict('nothing')
  end
  redis.call('RENAME', items, frozen)
  redis.call('PERSIST', frozen)
  redis.call('PERSIST', key)
  set_fields(key, recipient, { window = ask.window, missed = recipient.dropped or '0', tries = '0' })
  redis.call('HDEL', key, 'dropped')
end

if recipient.tick ~= ask.tick then
  set_fields(key, recipient, { tick = ask.tick, tries = tonumber(recipient.tries) + 1 })
end
local count = redis.call('LLEN', frozen)
local first, last = 0, ask.shown - 1
if ask.newest then
  first, last = -ask.shown, -1
end
local shown = {}
for index, attempt in ipairs(redis.call('LRANGE', frozen, first, last)) do
  shown[index] = attempt:match('^%d+ (.*)$')
end
return cjson.encode({
  verdict = 'frozen',
  window = recipient.window,
  address = recipient.address,
  total = count + tonumber(recipient.missed),
  tries = tonumber(recipient.tries),
  items = shown,
})

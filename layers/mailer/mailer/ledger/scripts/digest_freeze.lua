-- Freeze a recipient's items into a window, or resume an earlier window that is not closed.
-- KEYS: 1-7 the keys of the recipient (digest.lua)
-- ARGV: 1 the parameters (digest.lua) and: scheduled_at; ttl (ms); max_items, newest_first; window (may be absent)

local params = cjson.decode(ARGV[1])
local keys = digest_keys()
local now = clock()
local recipient = load_recipient(keys, now, params.ttl)

local function verdict(name)
  save_recipient(keys, params, recipient)
  return cjson.encode({ verdict = name })
end

local moved = repair_window(keys, params, recipient)
local expired
repeat
  expired = expire_items(keys, params, recipient, now)
  moved = moved + expired
until expired < DEAD_LETTER_ITEMS

if not recipient.window then
  if redis.call('EXISTS', keys.items) == 0 then
    return verdict(moved > 0 and 'dead_lettered' or 'nothing')
  end
  if not params.window then
    return verdict('nothing')
  end
  if recipient.last_window and recipient.last_window >= params.window then
    return verdict('already_sent')
  end
  redis.call('RENAME', keys.items, keys.frozen)
  set_fields(keys.recipient, recipient, { window = params.window, missed = recipient.dropped or '0' })
  unset_fields(keys.recipient, recipient, 'dropped')
end

set_fields(keys.recipient, recipient, { window_check_at = now + WINDOW_CHECK })
if recipient.scheduled_at ~= params.scheduled_at then
  set_fields(keys.recipient, recipient, {
    scheduled_at = params.scheduled_at,
    attempts = tonumber(recipient.attempts or '0') + 1,
  })
end
save_recipient(keys, params, recipient)
local first, last = 0, params.max_items - 1
if params.newest_first then
  first, last = -params.max_items, -1
end
local shown = {}
for index, entry in ipairs(redis.call('LRANGE', keys.frozen, first, last)) do
  shown[index] = content_of(entry)
end
return cjson.encode({
  verdict = 'frozen',
  window = recipient.window,
  address = recipient.address,
  total = redis.call('LLEN', keys.frozen) + tonumber(recipient.missed or '0'),
  attempts = tonumber(recipient.attempts or '1'),
  expired = window_expired(keys, recipient, now),
  items = shown,
})

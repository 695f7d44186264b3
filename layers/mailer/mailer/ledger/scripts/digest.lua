-- Shared by the scripts of digests: one recipient's keys, when the sweep looks at it, its dead letters.
-- An entry of a list of items is the time when the item came, a space and its JSON. Items that are not told yet have
-- no expiry: they leave with an accepted email, or as a dead letter.

local DEAD_LETTER_ITEMS = 100 -- of one dead letter: as many as one call adds
local LONGEST_TTL = 90 * 86400000 -- of mailer.toml
local WINDOW_CHECK = 86400000 -- the sweep looks at an open window a day after the last run that tried it

-- The keys that every script about one recipient of a digest begins with.
-- KEYS: 1 recipients: hashes of the recipients with items, in alphabetical order
--       2 items: those that wait for a window, oldest first
--       3 frozen: those of the open window
--       4 recipient: the recipient's fields
--       5 digest_expiry: recipients of all digests by the time when the sweep looks at them
--       6 dead: the stream of dead letters
--       7 dead_size: their size
-- ARGV: 1 the parameters as JSON; in each script: digest, recipient (address hash), retention (ms)
local function digest_keys()
  return {
    recipients = KEYS[1],
    items = KEYS[2],
    frozen = KEYS[3],
    recipient = KEYS[4],
    expiry = KEYS[5],
    dead = KEYS[6],
    dead_size = KEYS[7],
  }
end

local function time_of(entry)
  return tonumber(entry:match('^%d+')) or 0
end

local function content_of(entry)
  return entry:match('^%d+ (.*)$') or entry
end

-- The recipient's fields; `ttl` (ms) is the digest's, where the caller knows it.
local function load_recipient(keys, now, ttl)
  local recipient = load(keys.recipient)
  recipient.scheduled_at = recipient.scheduled_at or recipient.tick -- names of 0.1.0
  recipient.attempts = recipient.attempts or recipient.tries
  recipient.item_ttl = ttl or tonumber(recipient.item_ttl)
  if not recipient.item_ttl then
    local newest, life = redis.call('LINDEX', keys.items, -1), redis.call('PTTL', keys.items)
    if newest and life > 0 then -- written by 0.1.0, whose items expired by themselves
      recipient.item_ttl = now + life - time_of(newest)
    else
      recipient.item_ttl = LONGEST_TTL
    end
  end
  return recipient
end

-- Ends a script that changed the recipient: sets when the sweep looks at it, or lets it expire where nothing waits.
local function save_recipient(keys, params, recipient)
  local member = params.digest .. ':' .. params.recipient
  local oldest = redis.call('LINDEX', keys.items, 0)
  local look_at = oldest and time_of(oldest) + recipient.item_ttl
  if recipient.window then
    local check_at = tonumber(recipient.window_check_at) or 0
    look_at = look_at and math.min(look_at, check_at) or check_at
  end
  if not look_at then
    redis.call('ZREM', keys.recipients, params.recipient)
    redis.call('ZREM', keys.expiry, member)
    redis.call('PEXPIRE', keys.recipient, format_int(params.retention))
    return
  end
  set_fields(keys.recipient, recipient, { item_ttl = recipient.item_ttl })
  redis.call('ZADD', keys.recipients, 0, params.recipient)
  redis.call('ZADD', keys.expiry, format_int(look_at), member)
  redis.call('PERSIST', keys.items)
  redis.call('PERSIST', keys.frozen)
  redis.call('PERSIST', keys.recipient)
end

-- JSON is joined as text: what is decoded and encoded again may differ (an empty list, a large number).
local function json_of(content)
  return pcall(cjson.decode, content) and content or cjson.encode(content)
end

-- Moves the first `count` entries of a list into dead letters; `more` items were counted, but not stored.
local function move_to_dead_letters(keys, params, recipient, list, count, reason, window, more)
  local source = table.concat({ 'digest', params.digest, window or params.recipient, window and params.recipient }, ':')
  while count > 0 do
    local size = math.min(count, DEAD_LETTER_ITEMS)
    local items = {}
    for index, entry in ipairs(redis.call('LRANGE', list, 0, size - 1)) do
      items[index] = json_of(content_of(entry))
    end
    redis.call('LTRIM', list, size, -1)
    count = count - size
    local fields = {
      '"digest": ' .. cjson.encode(params.digest),
      '"recipient": ' .. cjson.encode(recipient.address or cjson.null),
      '"window": ' .. cjson.encode(window or cjson.null),
      '"items": [' .. table.concat(items, ', ') .. ']',
      '"more": ' .. format_int(count == 0 and more or 0),
    }
    local body = '{' .. table.concat(fields, ', ') .. '}'
    add_dead_letter(keys, source, reason, body)
  end
end

local ITEM_EXPIRED = cjson.encode({ code = 'Ledger.ItemExpired', detail = 'not told within ttl_days' })
local ADDRESS_LOST = cjson.encode({ code = 'Ledger.AddressLost', detail = 'the store has no address for the items' })
local WINDOW_LOST = cjson.encode({
  code = 'Ledger.WindowLost',
  detail = 'the store has items of a window, but not which; they may have been told',
})

-- Moves up to 100 waiting items that are too old, or have no address, into a dead letter; returns how many.
local function expire_items(keys, params, recipient, now)
  local entries = redis.call('LRANGE', keys.items, 0, DEAD_LETTER_ITEMS - 1)
  local count = 0
  for _, entry in ipairs(entries) do
    if recipient.address and time_of(entry) > now - recipient.item_ttl then
      break
    end
    count = count + 1
  end
  local more = 0
  if count > 0 and count == redis.call('LLEN', keys.items) then
    more = tonumber(recipient.dropped or '0')
    unset_fields(keys.recipient, recipient, 'dropped')
  end
  local reason = recipient.address and ITEM_EXPIRED or ADDRESS_LOST
  move_to_dead_letters(keys, params, recipient, keys.items, count, reason, nil, more)
  return count
end

-- Closes the window: its items have been told or are a dead letter.
local function close_window(keys, recipient)
  redis.call('DEL', keys.frozen)
  set_fields(keys.recipient, recipient, { last_window = recipient.window })
  unset_fields(
    keys.recipient,
    recipient,
    'window',
    'window_check_at',
    'scheduled_at',
    'attempts',
    'missed',
    'tick',
    'tries'
  )
end

-- Closes the window with its items in dead letters; returns how many.
local function dead_letter_window(keys, params, recipient, reason)
  local count = redis.call('LLEN', keys.frozen)
  local more = tonumber(recipient.missed or '0')
  move_to_dead_letters(keys, params, recipient, keys.frozen, count, reason, recipient.window, more)
  close_window(keys, recipient)
  return count
end

-- Ends what is left of a window of which the store has lost a part; returns how many items became dead letters.
local function repair_window(keys, params, recipient)
  local count = redis.call('LLEN', keys.frozen)
  if recipient.window and count == 0 then
    close_window(keys, recipient)
  elseif not recipient.window and count > 0 then
    move_to_dead_letters(keys, params, recipient, keys.frozen, count, WINDOW_LOST, nil, 0)
    return count
  end
  return 0
end

local function window_expired(keys, recipient, now)
  return time_of(redis.call('LINDEX', keys.frozen, -1)) <= now - recipient.item_ttl
end

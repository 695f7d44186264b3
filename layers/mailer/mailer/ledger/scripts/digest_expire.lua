-- Look at a recipient whose time in `digest_expiry` has come: move items that are too old into dead letters, and close
-- a window that no run comes back to. Returns how many items became dead letters; at most 100 of those that wait.
-- KEYS: 1-7 the keys of the recipient (digest.lua)
--       8 the record of the open window's email; without a window, one that there is not
--       9 the same under the id that version 0.1.0 derived
-- ARGV: 1 the parameters (digest.lua) and: window that was open when the caller looked (may be absent)

local OPEN = { sending = true, unknown = true, deferred = true, scheduled = true }

local params = cjson.decode(ARGV[1])
local keys, email, old_email = digest_keys(), KEYS[8], KEYS[9]
local now = clock()
local recipient = load_recipient(keys, now)
if recipient.window ~= params.window then
  return 0
end
local moved = repair_window(keys, params, recipient)
moved = moved + expire_items(keys, params, recipient, now)
if recipient.window and tonumber(recipient.window_check_at or '0') <= now then
  local state, code = unpack(redis.call('HMGET', email, 'state', 'code'))
  if not state then
    local old_state, old_code, namespace = unpack(redis.call('HMGET', old_email, 'state', 'code', 'namespace'))
    if not namespace then -- else it is the email of a caller's key
      state, code = old_state, old_code
    end
  end
  if state == 'accepted' or code == 'Ledger.Unresolved' then -- sent, or a dead letter of its own
    close_window(keys, recipient)
  elseif not OPEN[state] and (not recipient.address or window_expired(keys, recipient, now)) then
    local reason = recipient.address and ITEM_EXPIRED or ADDRESS_LOST
    moved = moved + dead_letter_window(keys, params, recipient, reason)
  else
    set_fields(keys.recipient, recipient, { window_check_at = now + WINDOW_CHECK })
  end
end
save_recipient(keys, params, recipient)
return moved

-- Close a recipient's window: drop its items, or move them into dead letters.
-- KEYS: 1-7 the keys of the recipient (digest.lua)
-- ARGV: 1 the parameters (digest.lua) and: window; reason of the dead letters (JSON text, may be absent)

local params = cjson.decode(ARGV[1])
local keys = digest_keys()
local recipient = load_recipient(keys, clock())
if recipient.window ~= params.window then
  return 0
end
if params.reason then
  dead_letter_window(keys, params, recipient, params.reason)
else
  close_window(keys, recipient)
end
save_recipient(keys, params, recipient)
return 1

-- Read a record.
-- KEYS: 1-7 the keys of the email (record.lua)

local keys = email_keys()
local record = load(keys.record)
if not record.state then
  return reply('absent')
end
expire_lease(keys, record, clock())
return reply('duplicate', record)

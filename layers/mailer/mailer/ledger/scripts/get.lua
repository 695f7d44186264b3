-- Read a record.
-- KEYS: 1 record
--       2 due
--       3 open

local keys = { record = KEYS[1], due = KEYS[2], open = KEYS[3] }
local record = load(keys.record)
if not record.state then
  return reply('absent')
end
expire_lease(keys, record, clock())
return reply('duplicate', record)

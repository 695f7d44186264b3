-- Record why a message was refused before it became an email: nothing was stored or sent of it. A record that exists says
-- more and stays; the email may be sent under its key as soon as the message can be read.
-- KEYS: 1-7 the keys of the email (record.lua)
-- ARGV: 1 the email's id
--       2 trigger
--       3 code
--       4 detail
--       5 retention (ms)

local keys = email_keys()
local id, trigger, code, detail, retention = unpack(ARGV)
if redis.call('EXISTS', keys.record) == 1 then
  return 'known'
end
local now, record = clock(), {}
set_fields(keys.record, record, {
  id = id,
  created_at = now,
  attempts = '0',
  attempts_before = '0',
  promised = '0',
  namespace = '',
  smtp_message_id = id, -- whose domain would be that of a sender
  trigger = trigger,
})
finish_unsent(keys, record, 'refused', now, { code = code, detail = detail }, tonumber(retention))
return 'refused'

-- What is known of an email. KEYS: record, due, open.

local keys = { record = KEYS[1], due = KEYS[2], open = KEYS[3] }
local record = load(keys.record)
if not record.state then
  return answer('absent')
end
lapse(keys, record, clock())
return answer('recorded', record)

-- Record a callback event once; settle an unknown email as accepted.
-- KEYS: 1-7 the keys of the email (record.lua)
--       8 the events of the email
--       9 the owner of SES's MessageId, or the record
--       10 the suppression of the recipient, or the record
--       11… mailed: that the recipient was, under each hash of the address
-- ARGV: 1 the parameters as JSON: event, recipients (these hashes), proves_accepted, at (ms), retention (ms),
--         events_max; ses_message_id, code, delay (ms) (each may be absent)
--       2 the field of the event among the events
--       3 what is stored of the event as JSON, empty for nothing
--       4… the field of the event under each earlier hash

local params, field, stored = cjson.decode(ARGV[1]), ARGV[2], ARGV[3]
local keys = email_keys()
local events, owner, suppression = KEYS[EMAIL_KEYS + 1], KEYS[EMAIL_KEYS + 2], KEYS[EMAIL_KEYS + 3]
local mailed_from = EMAIL_KEYS + 4
local now = clock()
local record = load(keys.record)

-- SES does not sign its callbacks: what they say of an address counts where we mailed it. The route of an email names
-- whom it is for; later the address does. Version 0.1.0 kept neither for its accepted emails.
local function is_of_route()
  local hashes = {}
  for _, hash in ipairs(params.recipients) do
    hashes[hash] = true
  end
  for index, hash in ipairs(cjson.decode(record.route)) do
    if index > 1 and hashes[hash] then
      return true
    end
  end
  return false
end
local function is_ours()
  if record.route then
    return is_of_route()
  end
  return redis.call('EXISTS', unpack(KEYS, mailed_from)) > 0 or record.state ~= nil and not record.namespace
end
if not is_ours() then
  return reply('foreign')
end

local repeated = false
for i = 2, stored ~= '' and #ARGV or 0 do
  repeated = repeated or (i ~= 3 and redis.call('HEXISTS', events, ARGV[i]) == 1)
end
if stored ~= '' and not repeated and redis.call('HLEN', events) < params.events_max then
  redis.call('HSET', events, field, stored)
  redis.call('PEXPIRE', events, format_int(params.retention))
end

if params.code and not repeated then
  local since = params.at > 0 and math.min(params.at, now) or now
  suppress(suppression, params.code, now, params.delay > 0 and since + params.delay)
end

if not record.state then
  return reply(repeated and 'repeated' or 'absent')
end
expire_lease(keys, record, now)

-- The MessageId is this email's in any case: no other may claim its row of SES's list.
if params.ses_message_id then
  redis.call('SET', owner, record.id, 'PX', format_int(params.retention))
end
local newly_known = params.ses_message_id and not record.ses_message_id

-- `dropped` may refer to a rejected attempt, so it does not settle a deferred email.
if record.state == 'unknown' or (params.proves_accepted and record.state ~= 'accepted') then
  if newly_known then
    set_fields(keys.record, record, { ses_message_id = params.ses_message_id })
  end
  accept(keys, record, now, {
    evidence = 'callback',
    event = params.event,
    ses_message_id = params.ses_message_id,
  }, params.retention)
  return reply('settled', record)
end
if record.state == 'accepted' and newly_known then
  set_fields(keys.record, record, { ses_message_id = params.ses_message_id })
  redis.call('ZREM', keys.unmatched, record.id)
  unset_fields(keys.record, record, 'route')
end
return reply(repeated and 'repeated' or 'recorded', record)

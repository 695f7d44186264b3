-- Record a callback event once; settle an unknown email as accepted.
-- KEYS: 1 record
--       2 due
--       3 open
--       4 the events of the email
--       5 the owner of SES's MessageId, or the record
--       6 the suppression of the recipient, or the record
-- ARGV: 1 the parameters as JSON: event, proves_accepted, at (ms), retention (ms), events_max; ses_message_id, code,
--         delay (ms) (each may be absent)
--       2 the field of the event among the events
--       3 what is stored of the event as JSON, empty for nothing

local params, field, stored = cjson.decode(ARGV[1]), ARGV[2], ARGV[3]
local keys = { record = KEYS[1], due = KEYS[2], open = KEYS[3] }
local events, owner, suppression = KEYS[4], KEYS[5], KEYS[6]
local now = clock()
local record = load(keys.record)

if stored ~= '' then
  if redis.call('HEXISTS', events, field) == 1 then
    return reply('repeated', record.id and record)
  end
  if redis.call('HLEN', events) < params.events_max then
    redis.call('HSET', events, field, stored)
    redis.call('PEXPIRE', events, format_int(params.retention))
  end
end

-- Suppressions are only ever extended.
if params.code then
  local ends = (params.at > 0 and math.min(params.at, now) or now) + params.delay
  if params.delay == 0 then
    redis.call('SET', suppression, params.code)
  elseif ends > now then
    if not redis.call('SET', suppression, params.code, 'NX', 'PXAT', format_int(ends)) then
      redis.call('PEXPIREAT', suppression, format_int(ends), 'GT')
    end
  end
end

if not record.state then
  return reply('absent')
end
expire_lease(keys, record, now)
-- `dropped` may refer to a rejected attempt, so it does not settle a deferred email.
if record.state == 'unknown' or (params.proves_accepted and record.state ~= 'accepted') then
  if params.ses_message_id then
    redis.call('SET', owner, record.id, 'PX', format_int(params.retention))
    set_fields(keys.record, record, { ses_message_id = params.ses_message_id })
  end
  transition(keys, record, 'accepted', now, {
    evidence = 'callback',
    event = params.event,
    ses_message_id = params.ses_message_id,
  })
  finalize(keys, record, params.retention)
  return reply('settled', record)
end
return reply('recorded', record)

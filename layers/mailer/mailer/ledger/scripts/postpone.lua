-- Look at an email later: SES could not be asked, or its request cannot be read by this version. What has nothing left
-- to be sent leaves the indexes, so that it is not looked at again.
-- KEYS: 1-7 the keys of the email (record.lua)
-- ARGV: 1 the email's id
--       2 the grace time (ms), which passes anyhow before the next look at an unknown email
--       3 retention (ms): what is older is not waited for

local keys = email_keys()
local id, grace, retention = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local now = clock()
local record = load(keys.record)
if record.state == 'sending' then
  return reply('superseded')
end
local waits = record.state == 'deferred' or record.state == 'scheduled'
if not record.body or not (waits or record.state == 'unknown') then
  for _, index in ipairs({ keys.due, keys.scheduled, keys.unsettled }) do
    redis.call('ZREM', index, id)
  end
  return reply('superseded')
end

if waits and tonumber(record.due_at) > now then -- it is waited for since the caller saw it
  return reply('superseded')
end

local age = now - tonumber(waits and record.due_at or record.sent_at)
local wait = math.max(age / 8, 60000) -- what has failed for long is tried ever less often
if age < retention and waits then
  redis.call('ZADD', keys.due, format_int(now + wait), id)
elseif age < retention then
  redis.call('ZADD', keys.unsettled, format_int(now + wait - grace), id)
elseif waits then
  finish_unsent(keys, record, 'failed', now, { code = 'Ledger.Unreadable' }, retention)
else
  abandon(keys, record, now, retention)
end
return reply('undecided', record)

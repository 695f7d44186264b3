-- Look at an unknown email later: SES could not be asked, or its request cannot be read by this version.
-- KEYS: 1-6 the keys of the email (record.lua)
-- ARGV: 1 the grace time (ms), which passes anyhow before the next look at an unknown email
--       2 retention (ms): what is older is not waited for

local keys = email_keys()
local now = clock()
local record = load(keys.record)
if record.state ~= 'unknown' and record.state ~= 'deferred' and record.state ~= 'scheduled' then
  redis.call('ZREM', keys.unsettled, record.id or '')
  return reply('superseded')
end
local grace, retention = tonumber(ARGV[1]), tonumber(ARGV[2])
local age = now - tonumber(record.sent_at or record.created_at)
local wait = math.max(age / 8, 60000) -- what has failed for long is tried ever less often
if age < retention and record.state == 'unknown' then
  redis.call('ZADD', keys.unsettled, format_int(now + wait - grace), record.id)
elseif age < retention then
  redis.call('ZADD', keys.due, format_int(now + wait), record.id)
elseif record.state == 'unknown' then
  abandon(keys, record, now, retention)
else
  finish_unsent(keys, record, 'failed', now, { code = 'Ledger.Unreadable' }, retention)
end
return reply('undecided', record)

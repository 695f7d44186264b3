-- What SES told of an email after it took it: noted once, and proof that an email in doubt was sent.
-- KEYS: record, due, open, the events, the MessageId's owner or `record`, the recipient's suppression or `record`.
-- ARGV: the event as JSON, its field among the events, its note (empty where it is not kept).

local told, field, note = cjson.decode(ARGV[1]), ARGV[2], ARGV[3]
local keys = { record = KEYS[1], due = KEYS[2], open = KEYS[3] }
local events, owner, suppression = KEYS[4], KEYS[5], KEYS[6]
local now = clock()
local record = load(keys.record)

if note ~= '' then
  if redis.call('HEXISTS', events, field) == 1 then
    return answer('repeated', record.id and record)
  end
  if redis.call('HLEN', events) < told.most then
    redis.call('HSET', events, field, note)
    redis.call('PEXPIRE', events, whole(told.retention))
  end
end

-- A suppression is never shortened, nor one for good ended: several events may close an address.
if told.code then
  local ends = (told.at > 0 and math.min(told.at, now) or now) + told.delay
  if told.delay == 0 then
    redis.call('SET', suppression, told.code)
  elseif ends > now then
    if not redis.call('SET', suppression, told.code, 'NX', 'PXAT', whole(ends)) then
      redis.call('PEXPIREAT', suppression, whole(ends), 'GT')
    end
  end
end

if not record.state then
  return answer('absent')
end
lapse(keys, record, now)
-- `dropped` may speak of an attempt that SES refused, so alone it proves nothing of an email that waits.
if record.state == 'unknown' or (told.proves and record.state ~= 'accepted') then
  if told.message_id then
    redis.call('SET', owner, record.id, 'PX', whole(told.retention))
    put(keys.record, record, { message_id = told.message_id })
  end
  enter(keys, record, 'accepted', now, { evidence = 'callback', event = told.event, message_id = told.message_id })
  close(keys, record, told.retention)
  return answer('settled', record)
end
return answer('noted', record)

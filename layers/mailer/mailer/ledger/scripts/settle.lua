-- What became of the call: sending -> accepted | refused | unknown | deferred | failed. Only the holder of the token may say.
-- KEYS: record, due, open, pace, pause, the halts, then per recipient (sent), then one key that the failure closes
-- or `record`, then the MessageId's owner or `record`.
-- ARGV: the outcome as JSON.

local told = cjson.decode(ARGV[1])
local keys = { record = KEYS[1], due = KEYS[2], open = KEYS[3], pace = KEYS[4], pause = KEYS[5] }
local halts_from = 6
local recipients_from = halts_from + told.halts
local closes, owner = KEYS[#KEYS - 1], KEYS[#KEYS]
local now = clock()
local record = load(keys.record)

redis.call('ZADD', keys.pace, 'XX', whole(now + 1000), told.token)
if told.not_sent then
  for i = recipients_from, #KEYS - 2 do
    redis.call('ZREM', KEYS[i], told.token)
  end
end
if told.pause > 0 then
  redis.call('SET', keys.pause, told.code, 'PX', whole(told.pause))
end
if told.suppress then
  redis.call('SET', closes, told.code)
  if told.suppress > 0 then
    redis.call('PEXPIRE', closes, whole(told.suppress))
  end
elseif told.block then
  redis.call('SET', closes, told.code, 'PX', whole(told.block))
elseif told.halt then
  redis.call('HSET', closes, 'code', told.code, 'until_at', whole(now + told.halt), 'since', whole(now))
end

if told.message_id then
  redis.call('SET', owner, record.id or told.id, 'PX', whole(told.retention))
end

-- A lapsed lease does not silence the answer that comes late, as long as nobody else has taken the email up.
local open = record.state == 'sending' or record.state == 'unknown'
if not open or record.token ~= told.token then
  return answer('superseded', record)
end
if told.state == 'accepted' and record.probe == '1' then
  redis.call('DEL', unpack(KEYS, halts_from, recipients_from - 1))
end

local fields = {}
if told.message_id then
  fields.message_id = told.message_id
end
if told.request_id then
  fields.request_id = told.request_id
end
if next(fields) then
  put(keys.record, record, fields)
end
local note = { code = told.code, request_id = told.request_id, attempt = tonumber(record.attempts) }
if told.state == 'deferred' then
  note.due_at = now + told.delay
end
enter(keys, record, told.state, now, note)
if told.state ~= 'unknown' and told.state ~= 'deferred' then
  close(keys, record, told.retention)
end
return answer('settled', record)

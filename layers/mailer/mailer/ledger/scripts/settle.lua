-- Record the outcome of a call: sending -> accepted | refused | unknown | deferred | failed. Requires the attempt's token.
-- KEYS: 1 record
--       2 due
--       3 open
--       4 rate_slots
--       5 rate_pause
--       6… the halts (`halts` of them)
--       then for each recipient: sent
--       last but one: the key that the failure blocks, or the record
--       last: the owner of SES's MessageId, or the record
-- ARGV: 1 the parameters as JSON: id, token, state, halts, delay (ms), retention (ms), not_sent; code, ses_message_id,
--         request_id, block = {kind, ttl_ms} (each may be absent)

local params = cjson.decode(ARGV[1])
local keys = { record = KEYS[1], due = KEYS[2], open = KEYS[3], rate_slots = KEYS[4], rate_pause = KEYS[5] }
local halts_from = 6
local recipients_from = halts_from + params.halts
local blocked, owner = KEYS[#KEYS - 1], KEYS[#KEYS]
local now = clock()
local record = load(keys.record)

redis.call('ZADD', keys.rate_slots, 'XX', format_int(now + 1000), params.token)
if params.not_sent then
  for i = recipients_from, #KEYS - 2 do
    redis.call('ZREM', KEYS[i], params.token)
  end
end

local function block(kind, ttl_ms)
  if kind == 'halt' then
    redis.call('HSET', blocked, 'code', params.code, 'until_at', format_int(now + ttl_ms), 'since', format_int(now))
  else
    local key = kind == 'account' and keys.rate_pause or blocked
    redis.call('SET', key, params.code)
    if ttl_ms > 0 then
      redis.call('PEXPIRE', key, format_int(ttl_ms))
    end
  end
end
if params.block then
  block(params.block.kind, params.block.ttl_ms)
end

if params.ses_message_id then
  redis.call('SET', owner, record.id or params.id, 'PX', format_int(params.retention))
end

-- A late response still counts after the lease expired, as long as no other attempt has begun.
local unsettled = record.state == 'sending' or record.state == 'unknown'
if not unsettled or record.token ~= params.token then
  return reply('superseded', record)
end
if params.state == 'accepted' and record.probe == '1' then
  redis.call('DEL', unpack(KEYS, halts_from, recipients_from - 1))
end

local fields = {}
if params.ses_message_id then
  fields.ses_message_id = params.ses_message_id
end
if params.request_id then
  fields.request_id = params.request_id
end
if next(fields) then
  set_fields(keys.record, record, fields)
end
local note = { code = params.code, request_id = params.request_id, attempt = tonumber(record.attempts) }
if params.state == 'deferred' then
  note.due_at = now + params.delay
end
transition(keys, record, params.state, now, note)
if params.state ~= 'unknown' and params.state ~= 'deferred' then
  finalize(keys, record, params.retention)
end
return reply('settled', record)

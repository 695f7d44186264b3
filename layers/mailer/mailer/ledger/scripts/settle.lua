-- Record the outcome of a call: sending -> accepted | refused | unknown | deferred | failed.
-- KEYS: 1-7 the keys of the email (record.lua)
--       8 rate_slots
--       9 rate_pause
--       10… the halts (`halts` of them)
--       then for each recipient: sent, mailed
--       last but one: the key that the failure blocks, or the record
--       last: the owner of SES's MessageId, or the record
-- ARGV: 1 the parameters as JSON: id, token, state, halts, delay (ms), retention (ms), not_sent, final, stored,
--         backlog_max, dead_letters_max; attempt_number, sent_at (ms), smtp_message_id, route, trigger; code,
--         ses_message_id, request_id, detail, fingerprint, namespace, clock_offset (ms), dropped,
--         block = {kind, ttl_ms} (each may be absent)
--       2 the request as JSON, empty for an accepted email

local params, body = cjson.decode(ARGV[1]), ARGV[2]
local keys = email_keys()
local rate_slots, rate_pause = KEYS[EMAIL_KEYS + 1], KEYS[EMAIL_KEYS + 2]
local halts_from = EMAIL_KEYS + 3
local recipients_from = halts_from + params.halts
local blocked, owner = KEYS[#KEYS - 1], KEYS[#KEYS]
local now = clock()
local record = load(keys.record)

redis.call('ZADD', rate_slots, 'XX', format_int(now + 1000), params.token)
if params.not_sent then
  for i = recipients_from, #KEYS - 2, 2 do
    redis.call('ZREM', KEYS[i], params.token)
  end
end

local function block(kind, ttl_ms)
  if kind == 'halt' then
    redis.call('HSET', blocked, 'code', params.code, 'until_at', format_int(now + ttl_ms), 'since', format_int(now))
    redis.call('PEXPIRE', blocked, format_int(ttl_ms + params.retention))
  elseif kind == 'account' then
    redis.call('SET', rate_pause, params.code, 'PX', format_int(ttl_ms))
  else
    suppress(blocked, params.code, now, ttl_ms > 0 and now + ttl_ms)
  end
end
if params.block then
  block(params.block.kind, params.block.ttl_ms)
end

local CLOSED = { refused = true, expired = true, failed = true }
local own = record.token == params.token

-- The store failed over and forgot this attempt: the record is older than it, or gone, or written anew by another worker
-- (so that the attempt's number proves nothing).
local function forgotten()
  for _, note in ipairs(cjson.decode(record.history or '[]')) do
    if note.state == 'sending' and note.at == params.sent_at then
      return false
    end
  end
  return not own
end

local function add_attempt(number)
  record.history = add_history(record, {
    state = 'sending',
    at = params.sent_at,
    attempt = number,
    clock_offset = params.clock_offset,
    dropped = params.dropped,
  })
  redis.call('HSET', keys.record, 'history', record.history)
end

-- A repeated settlement, after the reply to the first one was lost. (An acceptance that comes after all of that is news.)
if own and params.state ~= 'accepted' and record.state ~= 'sending' and record.state ~= 'unknown' then
  return reply('settled', record)
end

local attempt_number = params.attempt_number
local lost = forgotten()
if lost and (not record.state or CLOSED[record.state]) then
  if not record.id then
    set_fields(keys.record, record, { id = params.id, created_at = params.sent_at, attempts = '0' })
  end
  attempt_number = math.max(attempt_number, tonumber(record.attempts) + 1)
  set_fields(keys.record, record, {
    attempts_before = record.attempts,
    attempts = attempt_number,
    sent_at = params.sent_at,
    smtp_message_id = params.smtp_message_id,
    route = params.route,
    trigger = params.trigger,
    fingerprint = params.fingerprint or '',
    namespace = params.namespace,
    body = body,
    stored_by = params.token,
    promised = params.stored and '1' or '0',
  })
  add_attempt(attempt_number)
  for i = recipients_from + 1, #KEYS - 2, 2 do
    redis.call('SET', KEYS[i], '1', 'PX', format_int(params.retention))
  end
  own = true
end

-- Learnt by the answer to this call, where it was not known before.
local function keep_clock_offset()
  local history = cjson.decode(record.history)
  for index = #history, 1, -1 do
    local attempt = history[index]
    if attempt.state == 'sending' and attempt.at == params.sent_at then
      if not attempt.clock_offset then
        attempt.clock_offset = params.clock_offset
        record.history = cjson.encode(history)
      end
      return
    end
  end
end
if params.clock_offset and record.history then
  keep_clock_offset()
end

local note = { code = params.code, request_id = params.request_id, attempt = attempt_number }

-- Accepted already: by a callback, by reconciliation, or because this is said again.
if params.state == 'accepted' and record.state == 'accepted' then
  redis.call('SET', owner, record.id, 'PX', format_int(params.retention))
  if not record.ses_message_id then
    set_fields(keys.record, record, { ses_message_id = params.ses_message_id })
    redis.call('ZREM', keys.unmatched, record.id)
    unset_fields(keys.record, record, 'route')
  end
  return reply(record.ses_message_id == params.ses_message_id and 'settled' or 'superseded', record)
end

-- SES has it, whatever the record says meanwhile, unless the key has been opened anew for another email.
if params.state == 'accepted' then
  redis.call('SET', owner, record.id, 'PX', format_int(params.retention))
  if not lost and attempt_number <= tonumber(record.attempts_before or '0') then
    return reply('superseded', record)
  end
  if own and record.probes and record.probes ~= '' then
    for index, since in pairs(cjson.decode(record.probes)) do
      if redis.call('HGET', KEYS[halts_from + index], 'since') == since then
        redis.call('DEL', KEYS[halts_from + index])
      end
    end
  end
  set_fields(keys.record, record, {
    ses_message_id = params.ses_message_id,
    request_id = params.request_id or '',
  })
  accept(keys, record, now, note, params.retention)
  return reply('settled', record)
end

if not own and params.state == 'unknown' and lost and record.state ~= 'accepted' then
  -- An attempt that the store forgot may have been sent: nothing that is learnt of a later one makes up for it.
  set_fields(keys.record, record, {
    maybe_sent = '1',
    route = join_routes(record.route or params.route, params.route),
    sent_at = math.max(params.sent_at, tonumber(record.sent_at or '0')),
  })
  add_attempt(math.max(attempt_number, tonumber(record.attempts)))
  if record.state ~= 'sending' then
    transition(keys, record, 'unknown', now, note)
  end
  return reply('settled', record)
end
if not own then
  return reply('superseded', record, { other_request = not same_content(record, params.fingerprint) })
end

if params.request_id then
  set_fields(keys.record, record, { request_id = params.request_id })
end
if record.maybe_sent and params.state ~= 'unknown' then
  params.state, note.code = 'unknown', 'Ledger.LeaseExpired'
end

if params.state == 'unknown' then
  transition(keys, record, 'unknown', now, note)
  set_fields(keys.record, record, { promised = '1' })
  return reply('settled', record)
end

-- Learnt late, about an email that somebody was told is kept: it is sent again, or it ends with a dead letter.
local full = redis.call('ZCARD', keys.due) - redis.call('ZCARD', keys.scheduled) >= params.backlog_max
  or dead_letters_full(keys, params.dead_letters_max)
local state = params.state
if state == 'failed' and not params.final and promised(record) then
  state = 'deferred'
elseif state == 'deferred' and full and not promised(record) then
  state = 'failed'
end
if state == 'deferred' then
  note.due_at = now + params.delay
  transition(keys, record, 'deferred', now, note)
  set_fields(keys.record, record, { promised = '1' })
else
  finish_unsent(keys, record, state, now, note, params.retention, params.detail)
end
return reply('settled', record)

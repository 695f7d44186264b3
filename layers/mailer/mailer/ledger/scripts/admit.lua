-- Admission: fingerprint -> state -> due -> suppression -> halts -> rate limit -> mark `sending`.
-- KEYS: 1 record
--       2 due
--       3 open
--       4 rate_slots
--       5 rate_pause
--       6… the halts (`halts` of them)
--       then for each recipient: suppressed, unsubscribed, sent
--       then for each recipient domain: blocked
-- ARGV: 1 the parameters as JSON: id, token, fingerprint, smtp_message_id, route, trigger; halts, recipients;
--         recipient_max, recipient_window (ms); rate, slot_ttl (ms), poll_ms; backlog_max; lease (ms); retention (ms);
--         defer_halted, defer_unsent, in_time; from_state, send_at, expires_at (each may be absent)
--       2 the request as JSON

local params, body = cjson.decode(ARGV[1]), ARGV[2]
local keys = { record = KEYS[1], due = KEYS[2], open = KEYS[3], rate_slots = KEYS[4], rate_pause = KEYS[5] }
local halts_from = 6
local recipients_from = halts_from + params.halts
local domains_from = recipients_from + 3 * params.recipients
local now = clock()
local record = load(keys.record)
local resuming = false

expire_lease(keys, record, now)

-- Deferred and scheduled emails resume when due; unknown ones only after reconciliation allowed a resend.
local function may_resume(stored)
  if stored.state == 'deferred' or stored.state == 'scheduled' then
    return tonumber(stored.due_at) <= now
  end
  return stored.state == 'unknown' and stored.resend_allowed_at ~= nil
end

-- The state changed since the caller read it.
if params.from_state and record.state and record.state ~= params.from_state and record.token ~= params.token then
  return reply('duplicate', record, { now = now })
end

local BLOCKS = { sending = true, accepted = true, unknown = true, deferred = true, scheduled = true }
if BLOCKS[record.state] then
  if record.fingerprint ~= params.fingerprint then
    return reply('mismatch', record)
  end
  if record.state == 'sending' and record.token == params.token then
    return reply('send', record, { now = now })
  end
  resuming = params.from_state == record.state and may_resume(record)
  if not resuming then
    return reply('duplicate', record, { now = now })
  end
end

-- A new record, or one that was certainly not sent, takes the request as it is now.
local function store_request()
  local fields = {
    body = body,
    fingerprint = params.fingerprint,
    route = params.route,
    smtp_message_id = params.smtp_message_id,
    trigger = params.trigger,
  }
  if not record.id then
    fields.id, fields.created_at, fields.attempts = params.id, now, '0'
  end
  set_fields(keys.record, record, fields)
  redis.call('PERSIST', keys.record)
end

local function finish(verdict, state, note)
  store_request()
  transition(keys, record, state, now, note)
  if not note.due_at then
    finalize(keys, record, params.retention)
  end
  return reply(verdict, record, { now = now })
end

-- Defers the email while the backlog has capacity; resumed emails already count.
local function defer(code, due_at)
  if not resuming and redis.call('ZCARD', keys.due) >= params.backlog_max then
    return reply('backlog_full', nil, { code = code, wait = due_at - now })
  end
  return finish('deferred', 'deferred', { code = code, due_at = due_at })
end

if params.expires_at and params.expires_at <= now then
  return finish('rejected', 'expired', {})
end
if params.send_at and params.send_at > now then
  return finish('deferred', 'scheduled', { due_at = params.send_at })
end

for i = 0, params.recipients - 1 do
  local key = recipients_from + 3 * i
  local code = redis.call('GET', KEYS[key]) or redis.call('GET', KEYS[key + 1])
  if code then
    return finish('rejected', 'refused', { code = code, recipient = i })
  end
end

local probes, halted, until_ = {}, nil, 0
for i = halts_from, recipients_from - 1 do
  local halt = load(KEYS[i])
  if halt.code and tonumber(halt.until_at) > now then
    if tonumber(halt.until_at) > until_ then
      halted, until_ = halt.code, tonumber(halt.until_at)
    end
  elseif halt.code then
    probes[#probes + 1] = KEYS[i]
  end
end
if halted then
  if resuming or (params.defer_halted and redis.call('ZCARD', keys.due) < params.backlog_max) then
    return finish('deferred', 'deferred', { code = halted, due_at = until_ })
  end
  return reply('halted', nil, { code = halted, wait = until_ - now })
end

for i = domains_from, #KEYS do
  local left = redis.call('PTTL', KEYS[i])
  if left > 0 then
    return defer(redis.call('GET', KEYS[i]), now + left)
  end
end

for i = 0, params.recipients - 1 do
  local sent = KEYS[recipients_from + 3 * i + 2]
  redis.call('ZREMRANGEBYSCORE', sent, '-inf', format_int(now - params.recipient_window))
  if redis.call('ZCARD', sent) >= params.recipient_max then
    local oldest = redis.call('ZRANGE', sent, 0, 0, 'WITHSCORES')
    return defer('Ledger.RecipientRateLimited', tonumber(oldest[2]) + params.recipient_window)
  end
end

-- A rate slot is held until one second after the response, so no one-second window at SES exceeds the rate.
redis.call('ZREMRANGEBYSCORE', keys.rate_slots, '-inf', format_int(now))
local wait = redis.call('PTTL', keys.rate_pause)
if wait <= 0 and redis.call('ZCARD', keys.rate_slots) >= params.rate then
  local first = redis.call('ZRANGE', keys.rate_slots, 0, 0, 'WITHSCORES')
  wait = math.min(math.max(tonumber(first[2]) - now, 1), params.poll_ms)
end
if not params.in_time then
  wait = math.max(wait, 1000)
end
if wait > 0 then
  if params.defer_unsent and not resuming then
    return defer('Ledger.RateLimited', now + wait)
  end
  return reply('rate_limited', nil, { code = 'Ledger.RateLimited', wait = wait })
end

store_request()
redis.call('ZADD', keys.rate_slots, format_int(now + params.slot_ttl), params.token)
redis.call('PEXPIRE', keys.rate_slots, format_int(params.slot_ttl))
for i = 0, params.recipients - 1 do
  local sent = KEYS[recipients_from + 3 * i + 2]
  redis.call('ZADD', sent, format_int(now), params.token)
  redis.call('PEXPIRE', sent, format_int(params.recipient_window))
end
for _, key in ipairs(probes) do
  redis.call('HSET', key, 'until_at', format_int(now + params.lease))
end
set_fields(keys.record, record, {
  token = params.token,
  lease_until = now + params.lease,
  sent_at = now,
  attempts = tonumber(record.attempts) + 1,
  probe = #probes > 0 and '1' or '0',
})
transition(keys, record, 'sending', now, { attempt = tonumber(record.attempts) })
return reply('send', record, { now = now })

-- Admission: content -> state -> due -> suppression -> halts -> rate limit -> mark `sending`.
-- KEYS: 1-7 the keys of the email (record.lua)
--       8 rate_slots
--       9 rate_pause
--       10 the record under the id that version 0.1.0 would have derived, or the record
--       11… the halts (`halts` of them)
--       then for each recipient: suppressed, unsubscribed, sent, mailed, and blocked of its domain
--       then for each earlier hash of addresses: the sender's halt, and for each recipient suppressed, unsubscribed, sent
-- ARGV: 1 the parameters as JSON: id, token, smtp_message_id, route, trigger; halts, recipients, drop_suppressed;
--         recipient_max, recipient_window (ms); rate, slot_ttl (ms), poll_ms; backlog_max, dead_letters_max; lease (ms);
--         retention (ms); defer_halted, defer_unsent, in_time; fingerprint and stored_by (compared where they are given),
--         namespace, from_state, first_receive, received_before, send_at, expires_at, clock_offset (ms) and store_time (ms), by
--         which this clock was measured for it (each may be absent)
--       2 the request as JSON

local params, body = cjson.decode(ARGV[1]), ARGV[2]
local keys = email_keys()
local rate_slots, rate_pause = KEYS[EMAIL_KEYS + 1], KEYS[EMAIL_KEYS + 2]
local old_key = KEYS[EMAIL_KEYS + 3]
local halts_from = EMAIL_KEYS + 4
local recipients_from = halts_from + params.halts
local now = clock()
local record = load(keys.record)
local resuming = false

local CLOCK_TOLERANCE = 2000 -- ms; more than that, and this clock was set since it was measured

local BLOCKS = { sending = true, accepted = true, unknown = true, deferred = true, scheduled = true }

-- A redelivery of what version 0.1.0 sent, whose records have no namespace.
if not record.state and old_key ~= keys.record then
  local old = load(old_key)
  if BLOCKS[old.state] and not old.namespace and same_content(old, params.fingerprint) then
    keys.record, record = old_key, old
  end
end

expire_lease(keys, record, now)

-- Deferred and scheduled emails resume when due; unknown ones only after reconciliation allowed a resend.
local function may_resume(stored)
  if stored.state == 'deferred' or stored.state == 'scheduled' then
    return tonumber(stored.due_at) <= now
  end
  return stored.state == 'unknown' and stored.resend_allowed_at ~= nil
end

-- What a caller is told of an email that the ledger has is a promise.
local TOLD_AS_PENDING = { unknown = true, deferred = true, scheduled = true }
local function duplicate()
  if not params.from_state and TOLD_AS_PENDING[record.state] and not promised(record) then
    set_fields(keys.record, record, { promised = '1' })
  end
  return reply('duplicate', record, { now = now })
end

-- The state or the request changed since the caller read it.
local function changed()
  local other_request = params.stored_by and record.stored_by and record.stored_by ~= params.stored_by
  return record.state ~= params.from_state or other_request
end
if params.from_state and record.state and changed() and record.token ~= params.token then
  return duplicate()
end

if BLOCKS[record.state] then
  if not params.from_state and not same_content(record, params.fingerprint) then
    return reply('mismatch', record)
  end
  if record.state == 'sending' and record.token == params.token then
    return reply('send', record, { now = now })
  end
  resuming = params.from_state == record.state and may_resume(record)
  if not resuming then
    return duplicate()
  end
  if not promised(record) then -- its worker has died, so nobody else hears how it ends
    set_fields(keys.record, record, { promised = '1' })
  end
end

-- A queue delivers again what was refused before: nothing is mended until the message leaves the queue.
if params.received_before and record.state == 'refused' and record.first_receive == params.first_receive then
  return duplicate()
end

-- A new record, or one that was certainly not sent, takes the request as it is now.
local function store_request()
  if resuming then
    return
  end
  if not record.id then
    set_fields(keys.record, record, { id = params.id, created_at = now, attempts = '0' })
  end
  set_fields(keys.record, record, {
    body = body,
    stored_by = params.token,
    fingerprint = params.fingerprint or '',
    namespace = params.namespace,
    route = cjson.encode(params.route),
    smtp_message_id = params.smtp_message_id,
    trigger = params.trigger,
    first_receive = params.first_receive or '',
    attempts_before = record.attempts,
    promised = params.from_state and '1' or '0',
  })
end

local function store_for_later(state, note)
  store_request()
  transition(keys, record, state, now, note)
  set_fields(keys.record, record, { promised = '1' })
  return reply('deferred', record, { now = now })
end

local function reject(state, note)
  store_request()
  finish_unsent(keys, record, state, now, note, params.retention)
  return reply('rejected', record, { now = now })
end

-- Why an email is not stored for later, or nil. The backlog and the scheduled emails are bounded each for itself, and so
-- are the dead letters that either may become; resumed emails already count.
local function why_no_room(waiting)
  if resuming then
    return nil
  end
  if dead_letters_full(keys, params.dead_letters_max) then
    return 'Ledger.DeadLettersFull'
  end
  return waiting >= params.backlog_max and 'Ledger.BacklogFull' or nil
end

local function why_not_deferred()
  local scheduled = redis.call('ZCARD', keys.scheduled)
  return why_no_room(redis.call('ZCARD', keys.due) - scheduled)
end

local function defer(code, due_at)
  local why_not = why_not_deferred()
  if why_not then
    return reply('backlog_full', nil, { code = why_not, wait = due_at - now })
  end
  return store_for_later('deferred', { code = code, due_at = due_at })
end

if params.expires_at and params.expires_at <= now then
  return reject('expired', {})
end
if params.send_at and params.send_at > now then
  local why_not = why_no_room(redis.call('ZCARD', keys.scheduled))
  if why_not then
    local wait = math.min(params.send_at - now, 60000) -- there may be room long before it is due
    return reply('backlog_full', nil, { code = why_not, wait = wait })
  end
  return store_for_later('scheduled', { due_at = params.send_at })
end

-- What was written under an earlier hash of an address, by version 0.1.0 or with another key, moves to today's.
local function move(key, earlier)
  local life, earlier_life = redis.call('PTTL', key), redis.call('PTTL', earlier)
  if earlier_life == -2 then
    return
  end
  if life ~= -1 and (earlier_life == -1 or earlier_life > life) then
    redis.call('RENAME', earlier, key)
  else
    redis.call('DEL', earlier)
  end
end
local function move_sent(key, earlier)
  redis.call('ZUNIONSTORE', key, 2, key, earlier, 'AGGREGATE', 'MAX')
  redis.call('PEXPIRE', key, format_int(params.recipient_window))
  redis.call('DEL', earlier)
end
local earlier_from = recipients_from + 5 * params.recipients
for first = earlier_from, #KEYS, 1 + 3 * params.recipients do
  move(KEYS[halts_from + 1], KEYS[first])
  for i = 0, params.recipients - 1 do
    local key, earlier = recipients_from + 5 * i, first + 1 + 3 * i
    if redis.call('EXISTS', unpack(KEYS, earlier, earlier + 2)) > 0 then
      move(KEYS[key], KEYS[earlier])
      move(KEYS[key + 1], KEYS[earlier + 1])
      move_sent(KEYS[key + 2], KEYS[earlier + 2])
    end
  end
end

-- Who is suppressed is left out where the request says so, as long as anybody is left.
local recipients, dropped, refusal = {}, {}, nil
for i = 0, params.recipients - 1 do
  local key = recipients_from + 5 * i
  local code = redis.call('GET', KEYS[key]) or redis.call('GET', KEYS[key + 1])
  if code then
    refusal = refusal or { code, i }
    dropped[#dropped + 1] = params.route[i + 2]
  else
    recipients[#recipients + 1] = { hash = params.route[i + 2], keys = { unpack(KEYS, key + 2, key + 4) } }
  end
end
if refusal and not (params.drop_suppressed and #recipients > 0) then
  return reject('refused', { code = refusal[1], recipient = refusal[2] })
end

local probes, halted, until_ = {}, nil, 0
for i = halts_from, recipients_from - 1 do
  local halt = load(KEYS[i])
  if halt.code and tonumber(halt.until_at) > now then
    if tonumber(halt.until_at) > until_ then
      halted, until_ = halt.code, tonumber(halt.until_at)
    end
  elseif halt.code then
    probes[tostring(i - halts_from)] = halt.since
  end
end
if halted then
  if resuming or (params.defer_halted and not why_not_deferred()) then
    return store_for_later('deferred', { code = halted, due_at = until_ })
  end
  return reply('halted', nil, { code = halted, wait = until_ - now })
end

for _, recipient in ipairs(recipients) do
  local blocked = recipient.keys[3]
  local left = redis.call('PTTL', blocked)
  if left > 0 then
    return defer(redis.call('GET', blocked), now + left)
  end
end

for _, recipient in ipairs(recipients) do
  local sent = recipient.keys[1]
  redis.call('ZREMRANGEBYSCORE', sent, '-inf', format_int(now - params.recipient_window))
  if redis.call('ZCARD', sent) >= params.recipient_max then
    local oldest = redis.call('ZRANGE', sent, 0, 0, 'WITHSCORES')
    return defer('Ledger.RecipientRateLimited', tonumber(oldest[2]) + params.recipient_window)
  end
end

-- A rate slot is held until one second after the response, so no one-second window at SES exceeds the rate.
redis.call('ZREMRANGEBYSCORE', rate_slots, '-inf', format_int(now))
local wait = redis.call('PTTL', rate_pause)
if wait <= 0 and redis.call('ZCARD', rate_slots) >= params.rate then
  local first = redis.call('ZRANGE', rate_slots, 0, 0, 'WITHSCORES')
  wait = math.min(math.max(tonumber(first[2]) - now, 1), params.poll_ms)
end
if not params.in_time then
  wait = math.max(wait, 1000)
end
if wait > 0 then
  if params.defer_unsent and not resuming then
    return defer('Ledger.RateLimited', now + wait)
  end
  return reply('rate_limited', resuming and record or nil, { code = 'Ledger.RateLimited', wait = wait })
end

-- Whom this attempt mails, and whom an earlier one may have mailed.
local mailed_route = { params.route[1] }
for index, recipient in ipairs(recipients) do
  mailed_route[index + 1] = recipient.hash
end
mailed_route = join_routes(cjson.encode(mailed_route), record.state == 'unknown' and record.route or nil)

store_request()
redis.call('ZADD', rate_slots, format_int(now + params.slot_ttl), params.token)
redis.call('PEXPIRE', rate_slots, format_int(params.slot_ttl))
for _, recipient in ipairs(recipients) do
  local sent, mailed = unpack(recipient.keys)
  redis.call('ZADD', sent, format_int(now), params.token)
  redis.call('PEXPIRE', sent, format_int(params.recipient_window))
  redis.call('SET', mailed, '1', 'PX', format_int(params.retention))
end
for index in pairs(probes) do
  redis.call('HSET', KEYS[halts_from + index], 'until_at', format_int(now + params.lease))
end
set_fields(keys.record, record, {
  token = params.token,
  route = mailed_route,
  lease_until = now + params.lease,
  sent_at = now,
  attempts = tonumber(record.attempts) + 1,
  probes = next(probes) and cjson.encode(probes) or '',
})
if record.maybe_sent then
  unset_fields(keys.record, record, 'maybe_sent')
end
local clock_offset = params.clock_offset
if clock_offset and math.abs(params.store_time - now) > CLOCK_TOLERANCE then
  clock_offset = nil
end
transition(keys, record, 'sending', now, {
  attempt = tonumber(record.attempts),
  clock_offset = clock_offset,
  dropped = next(dropped) and dropped,
})
return reply('send', record, { now = now })

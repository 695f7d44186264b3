-- May this email be sent now? fingerprint -> state -> due -> suppression -> halts -> pacing -> mark `sending`.
-- KEYS: record, due, open, pace, pause, the halts, then per recipient (suppressed, unsubscribed, sent), then per domain (blocked).
-- ARGV: the question as JSON, the request as JSON.

local ask, body = cjson.decode(ARGV[1]), ARGV[2]
local keys = { record = KEYS[1], due = KEYS[2], open = KEYS[3], pace = KEYS[4], pause = KEYS[5] }
local halts_from = 6
local recipients_from = halts_from + ask.halts
local domains_from = recipients_from + 3 * ask.recipients
local now = clock()
local record = load(keys.record)
local claimed = false

lapse(keys, record, now)

-- What waits is taken up when it is due, and what is unknown only on reconciliation's word that SES has no trace of it.
local function claimable(kept)
  if kept.state == 'deferred' or kept.state == 'scheduled' then
    return tonumber(kept.due_at) <= now
  end
  return kept.state == 'unknown' and kept.no_trace ~= nil
end

-- Somebody else has settled what was to be taken up.
if ask.claim and record.state and record.state ~= ask.claim and record.token ~= ask.token then
  return answer('recorded', record, { now = now })
end

local BLOCKS = { sending = true, accepted = true, unknown = true, deferred = true, scheduled = true }
if BLOCKS[record.state] then
  if record.fingerprint ~= ask.fingerprint then
    return answer('mismatch', record)
  end
  if record.state == 'sending' and record.token == ask.token then
    return answer('send', record, { now = now })
  end
  claimed = ask.claim == record.state and claimable(record)
  if not claimed then
    return answer('recorded', record, { now = now })
  end
end

-- A new record, or one that was certainly not sent, takes the request as it is asked now.
local function keep()
  local fields = {
    body = body,
    fingerprint = ask.fingerprint,
    route = ask.route,
    smtp_message_id = ask.smtp_message_id,
    trigger = ask.trigger,
  }
  if not record.id then
    fields.id, fields.created_at, fields.attempts = ask.id, now, '0'
  end
  put(keys.record, record, fields)
  redis.call('PERSIST', keys.record)
end

local function stop(verdict, state, note)
  keep()
  enter(keys, record, state, now, note)
  if not note.due_at then
    close(keys, record, ask.retention)
  end
  return answer(verdict, record, { now = now })
end

-- Puts the email off while the ledger has room; what is claimed has its room already.
local function put_off(code, due_at)
  if not claimed and redis.call('ZCARD', keys.due) >= ask.room then
    return answer('no_room', nil, { code = code, wait = due_at - now })
  end
  return stop('put_off', 'deferred', { code = code, due_at = due_at })
end

if ask.expires_at and ask.expires_at <= now then
  return stop('stopped', 'expired', {})
end
if ask.send_at and ask.send_at > now then
  return stop('put_off', 'scheduled', { due_at = ask.send_at })
end

for i = 0, ask.recipients - 1 do
  local key = recipients_from + 3 * i
  local code = redis.call('GET', KEYS[key]) or redis.call('GET', KEYS[key + 1])
  if code then
    return stop('stopped', 'refused', { code = code, recipient = i })
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
  if claimed or (ask.keep_halted and redis.call('ZCARD', keys.due) < ask.room) then
    return stop('put_off', 'deferred', { code = halted, due_at = until_ })
  end
  return answer('halted', nil, { code = halted, wait = until_ - now })
end

for i = domains_from, #KEYS do
  local left = redis.call('PTTL', KEYS[i])
  if left > 0 then
    return put_off(redis.call('GET', KEYS[i]), now + left)
  end
end

for i = 0, ask.recipients - 1 do
  local sent = KEYS[recipients_from + 3 * i + 2]
  redis.call('ZREMRANGEBYSCORE', sent, '-inf', whole(now - ask.recipient_window))
  if redis.call('ZCARD', sent) >= ask.recipient_max then
    local oldest = redis.call('ZRANGE', sent, 0, 0, 'WITHSCORES')
    return put_off('Ledger.RecipientPaced', tonumber(oldest[2]) + ask.recipient_window)
  end
end

-- A place is held from here until one second after the answer, so that no second of SES's sees more than the rate.
redis.call('ZREMRANGEBYSCORE', keys.pace, '-inf', whole(now))
local wait = redis.call('PTTL', keys.pause)
if wait <= 0 and redis.call('ZCARD', keys.pace) >= ask.rate then
  local first = redis.call('ZRANGE', keys.pace, 0, 0, 'WITHSCORES')
  wait = math.min(math.max(tonumber(first[2]) - now, 1), ask.ask_again)
end
if not ask.in_time then
  wait = math.max(wait, 1000)
end
if wait > 0 then
  if ask.keep_unsent and not claimed then
    return put_off('Ledger.Paced', now + wait)
  end
  return answer('wait', nil, { code = 'Ledger.Paced', wait = wait })
end

keep()
redis.call('ZADD', keys.pace, whole(now + ask.place), ask.token)
redis.call('PEXPIRE', keys.pace, whole(ask.place))
for i = 0, ask.recipients - 1 do
  local sent = KEYS[recipients_from + 3 * i + 2]
  redis.call('ZADD', sent, whole(now), ask.token)
  redis.call('PEXPIRE', sent, whole(ask.recipient_window))
end
for _, key in ipairs(probes) do
  redis.call('HSET', key, 'until_at', whole(now + ask.lease))
end
put(keys.record, record, {
  token = ask.token,
  lease_until = now + ask.lease,
  sent_at = now,
  attempts = tonumber(record.attempts) + 1,
  probe = #probes > 0 and '1' or '0',
})
enter(keys, record, 'sending', now, { attempt = tonumber(record.attempts) })
return answer('send', record, { now = now })

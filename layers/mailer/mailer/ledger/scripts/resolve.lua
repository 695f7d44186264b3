-- Resolve an unknown email: unknown -> accepted | failed, or it stays unknown: resend allowed, or held for an operator.
-- KEYS: 1-7 the keys of the email (record.lua)
--       8… the owner of each row's MessageId
-- ARGV: 1 the parameters as JSON: attempt_number, evidence, rows (MessageIds: first the candidates, likeliest first, then
--         those that other emails explain, then the traces), candidates and explained (how many), claimable (how many of
--         the candidates leave a row to each other email), match_count, doubtful, hold, exhausted, retention (ms), recheck_max (ms), listed (ms); operator (may be absent)

local params = cjson.decode(ARGV[1])
local keys = email_keys()
local owners_from = EMAIL_KEYS
local now = clock()
local record = load(keys.record)

-- The findings are about one attempt: they are void once the email was settled or sent again.
if record.state ~= 'unknown' or tonumber(record.attempts) ~= params.attempt_number then
  return reply('superseded')
end

local function accepted(note)
  accept(keys, record, now, note, params.retention)
  return reply('found', record)
end

local function accept_candidate(index)
  local ses_message_id = params.rows[index]
  redis.call('SET', KEYS[owners_from + index], record.id, 'PX', format_int(params.retention))
  set_fields(keys.record, record, { ses_message_id = ses_message_id })
  return accepted({ evidence = params.evidence, ses_message_id = ses_message_id })
end

local function fail(code, evidence)
  record.promised = '1' -- its worker has gone, so nobody else hears how it ends
  finish_unsent(keys, record, 'failed', now, { code = code, evidence = evidence }, params.retention)
  return reply('exhausted', record)
end

-- The same decision is added to the history once. What could not be decided is looked at again after as long as it
-- has been unknown, so that nothing old keeps the status queries from what is newer.
local function keep_unknown(decision, evidence)
  local history = cjson.decode(record.history)
  local last = history[#history]
  if last.decision ~= decision then
    transition(keys, record, 'unknown', now, { code = record.code, evidence = evidence, decision = decision })
  end
  local age = now - tonumber(record.sent_at)
  if age >= params.retention then
    abandon(keys, record, now, params.retention)
    return reply(decision, record)
  end
  redis.call('ZADD', keys.unsettled, format_int(now + math.min(age, params.recheck_max)), record.id)
  return reply(decision, record)
end

local function allow_resend(evidence)
  local since = redis.call('ZSCORE', keys.unsettled, record.id) or format_int(now)
  transition(keys, record, 'unknown', now, { code = record.code, evidence = evidence, decision = 'resend' })
  set_fields(keys.record, record, { resend_allowed_at = now })
  redis.call('ZADD', keys.unsettled, since, record.id) -- if this sweep dies before it sends, the next one claims it
  return reply('resend', record)
end

if params.operator == 'accepted' then
  return accepted({ evidence = 'operator' })
elseif params.operator == 'failed' then
  return fail(record.code, 'operator')
elseif params.operator then
  return allow_resend('operator')
end

local unowned, explained, traces = {}, 0, 0
for index in ipairs(params.rows) do
  local owner = redis.call('GET', KEYS[owners_from + index])
  if owner == record.id then
    return accept_candidate(index)
  end
  if not owner and index <= params.candidates then
    unowned[#unowned + 1] = index
  elseif not owner and index <= params.candidates + params.explained then
    explained = explained + 1
  elseif not owner then
    traces = traces + 1
  end
end

local claimable = #unowned > 0 and unowned[1] <= params.claimable
if claimable and #unowned + explained >= params.match_count then
  return accept_candidate(unowned[1])
end
if #unowned > 0 or traces > 0 or params.doubtful and explained > 0 then
  return keep_unknown('ambiguous', params.evidence)
end
-- What SES lists no more is no evidence.
if params.hold or now - tonumber(record.sent_at) >= params.listed then
  return keep_unknown('needs_operator', 'no-trace')
end
if params.exhausted then
  return fail('Ledger.AttemptsExhausted', 'no-trace')
end
return allow_resend('no-trace')

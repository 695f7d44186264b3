-- Resolve an unknown email: unknown -> accepted | failed, or it stays unknown: resend allowed, or held for an operator.
-- KEYS: 1 record
--       2 due
--       3 open
--       4… the owner of each candidate's MessageId
-- ARGV: 1 the parameters as JSON: attempt_number, evidence, candidates (MessageIds, likeliest first), match_count, hold,
--         exhausted, retention (ms); operator (may be absent)

local params = cjson.decode(ARGV[1])
local keys = { record = KEYS[1], due = KEYS[2], open = KEYS[3] }
local owners_from = 3
local now = clock()
local record = load(keys.record)

-- The findings are about one attempt: they are void once the email was settled or sent again.
if record.state ~= 'unknown' or tonumber(record.attempts) ~= params.attempt_number then
  return reply('superseded')
end

local function settle(state, verdict, note)
  transition(keys, record, state, now, note)
  finalize(keys, record, params.retention)
  return reply(verdict, record)
end

local function accept(index)
  local ses_message_id = params.candidates[index]
  redis.call('SET', KEYS[owners_from + index], record.id, 'PX', format_int(params.retention))
  set_fields(keys.record, record, { ses_message_id = ses_message_id })
  return settle('accepted', 'found', { evidence = params.evidence, ses_message_id = ses_message_id })
end

-- The same decision is added to the history once.
local function keep_unknown(decision, evidence)
  local history = cjson.decode(record.history)
  if history[#history].decision ~= decision then
    transition(keys, record, 'unknown', now, { code = record.code, evidence = evidence, decision = decision })
  end
  redis.call('ZADD', keys.open, format_int(now), record.id)
  return reply(decision, record)
end

local function allow_resend(evidence)
  local since = redis.call('ZSCORE', keys.open, record.id)
  transition(keys, record, 'unknown', now, { code = record.code, evidence = evidence, decision = 'resend' })
  set_fields(keys.record, record, { resend_allowed_at = now })
  redis.call('ZADD', keys.open, since, record.id) -- if this sweep dies before it sends, the next one claims it
  return reply('resend', record)
end

if params.operator == 'accepted' then
  return settle('accepted', 'found', { evidence = 'operator' })
elseif params.operator == 'failed' then
  return settle('failed', 'exhausted', { code = record.code, evidence = 'operator' })
elseif params.operator then
  return allow_resend('operator')
end

local unowned = {}
for index in ipairs(params.candidates) do
  local owner = redis.call('GET', KEYS[owners_from + index])
  if owner == record.id then
    return accept(index)
  end
  if not owner then
    unowned[#unowned + 1] = index
  end
end

if #unowned >= params.match_count then
  return accept(unowned[1])
end
if #unowned > 0 then
  return keep_unknown('ambiguous', params.evidence)
end
if params.hold then
  return keep_unknown('needs_operator', 'no-trace')
end
if params.exhausted then
  return settle('failed', 'exhausted', { code = 'Ledger.AttemptsExhausted', evidence = 'no-trace' })
end
return allow_resend('no-trace')

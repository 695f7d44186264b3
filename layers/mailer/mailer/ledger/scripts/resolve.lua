-- What reconciliation, or an operator, found out: unknown -> accepted | failed, or it stays unknown: free to be sent again, or held.
-- KEYS: record, due, open, then the owner of each candidate's MessageId. ARGV: the findings as JSON.

local told = cjson.decode(ARGV[1])
local keys = { record = KEYS[1], due = KEYS[2], open = KEYS[3] }
local owner_of = 3
local now = clock()
local record = load(keys.record)

-- The findings are about one attempt: they say nothing once the email was settled or sent again.
if record.state ~= 'unknown' or tonumber(record.attempts) ~= told.attempt then
  return answer('superseded')
end

local function settle(state, verdict, note)
  enter(keys, record, state, now, note)
  close(keys, record, told.retention)
  return answer(verdict, record)
end

local function accept(index)
  local message = told.candidates[index]
  redis.call('SET', KEYS[owner_of + index], record.id, 'PX', whole(told.retention))
  put(keys.record, record, { message_id = message })
  return settle('accepted', 'found', { evidence = told.evidence, message_id = message })
end

-- The history says once what holds an email, however often that is found again.
local function stay(decision, evidence)
  local history = cjson.decode(record.history)
  if history[#history].decision ~= decision then
    enter(keys, record, 'unknown', now, { code = record.code, evidence = evidence, decision = decision })
  end
  redis.call('ZADD', keys.open, whole(now), record.id)
  return answer(decision, record)
end

local function free_to_send(evidence)
  local since = redis.call('ZSCORE', keys.open, record.id)
  enter(keys, record, 'unknown', now, { code = record.code, evidence = evidence, decision = 'resend' })
  put(keys.record, record, { no_trace = now })
  redis.call('ZADD', keys.open, since, record.id) -- if this sweep dies before it sends, the next one takes over
  return answer('resend', record)
end

if told.operator == 'accepted' then
  return settle('accepted', 'found', { evidence = 'operator' })
elseif told.operator == 'failed' then
  return settle('failed', 'given_up', { code = record.code, evidence = 'operator' })
elseif told.operator then
  return free_to_send('operator')
end

local free = {}
for index in ipairs(told.candidates) do
  local owner = redis.call('GET', KEYS[owner_of + index])
  if owner == record.id then
    return accept(index)
  end
  if not owner then
    free[#free + 1] = index
  end
end

if #free >= told.contenders then
  return accept(free[1])
end
if #free > 0 then
  return stay('ambiguous', told.evidence)
end
if told.hold then
  return stay('held', 'no-trace')
end
if told.exhausted then
  return settle('failed', 'given_up', { code = 'Ledger.AttemptsExhausted', evidence = 'no-trace' })
end
return free_to_send('no-trace')

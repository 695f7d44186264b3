-- Shared by every script: one email's record, its changes of state, the list of dead letters.
-- Times are milliseconds of the store's clock. A record holds its request (`body`) only while it may have to be sent.

local HISTORY = 40

-- The keys that every script about one email begins with.
-- KEYS: 1 email: the record
--       2 due: deferred and scheduled emails by the time they are due
--       3 scheduled: those of them that wait for their send_at
--       4 open: emails in flight or unknown, by the time since when they can be reconciled
--       5 unmatched: accepted emails that own no MessageId, by the time of their acceptance
--       6 dead: the stream of dead letters
--       7 dead_size: how many of them are counted, and how many bytes they have
local EMAIL_KEYS = 7
local function email_keys()
  return {
    record = KEYS[1],
    due = KEYS[2],
    scheduled = KEYS[3],
    unsettled = KEYS[4],
    unmatched = KEYS[5],
    dead = KEYS[6],
    dead_size = KEYS[7],
  }
end

local function format_int(number)
  return string.format('%.0f', number)
end

-- Names of fields, and codes, in records that earlier versions wrote.
local RENAMED = { message_id = 'ses_message_id', no_trace = 'resend_allowed_at' }
local RENAMED_CODES = {
  ['Ledger.LeaseLapsed'] = 'Ledger.LeaseExpired',
  ['Ledger.RecipientPaced'] = 'Ledger.RecipientRateLimited',
  ['Ledger.Paced'] = 'Ledger.RateLimited',
}

local function load(key)
  local flat = redis.call('HGETALL', key)
  local record = {}
  for i = 1, #flat, 2 do
    record[RENAMED[flat[i]] or flat[i]] = flat[i + 1]
  end
  record.code = RENAMED_CODES[record.code] or record.code
  return record
end

local function set_fields(key, record, fields)
  local flat = {}
  for name, value in pairs(fields) do
    if type(value) == 'number' then
      value = format_int(value)
    end
    record[name] = value
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  redis.call('HSET', key, unpack(flat))
end

local function unset_fields(key, record, ...)
  for _, name in ipairs({ ... }) do
    record[name] = nil
  end
  redis.call('HDEL', key, ...)
end

local function add_history(record, note)
  local history = record.history and cjson.decode(record.history) or {}
  history[#history + 1] = note
  if #history > HISTORY then
    table.remove(history, 2)
  end
  return cjson.encode(history)
end

-- Enters `state`, adds it to the history and keeps the indexes: what is due, what is scheduled, what is unsettled.
local function transition(keys, record, state, now, note)
  note.state, note.at = state, now
  local fields = { state = state, updated_at = now, history = add_history(record, note) }
  if note.code then
    fields.code = note.code
  end
  if note.due_at then
    fields.due_at = note.due_at
  end
  set_fields(keys.record, record, fields)
  redis.call('PERSIST', keys.record)
  if record.resend_allowed_at then
    unset_fields(keys.record, record, 'resend_allowed_at', 'no_trace')
  end
  if not note.code then
    unset_fields(keys.record, record, 'code')
  end
  if not note.due_at then
    unset_fields(keys.record, record, 'due_at')
  end
  if state == 'deferred' or state == 'scheduled' then
    redis.call('ZADD', keys.due, format_int(note.due_at), record.id)
  else
    redis.call('ZREM', keys.due, record.id)
  end
  if state == 'scheduled' then
    redis.call('ZADD', keys.scheduled, format_int(note.due_at), record.id)
  else
    redis.call('ZREM', keys.scheduled, record.id)
  end
  if state == 'sending' then
    redis.call('ZADD', keys.unsettled, record.lease_until, record.id)
  elseif state == 'unknown' then
    redis.call('ZADD', keys.unsettled, format_int(now), record.id)
  else
    redis.call('ZREM', keys.unsettled, record.id)
  end
end

-- Certain and final: the request is dropped, and the record outlives every redelivery that may still come.
-- The route stays where a callback may yet prove that SES has a row of the email.
local function finalize(keys, record, retention)
  unset_fields(keys.record, record, 'body', 'stored_by', 'token', 'lease_until', 'probes', 'probe', 'maybe_sent')
  if record.ses_message_id then
    unset_fields(keys.record, record, 'route')
  end
  redis.call('PEXPIRE', keys.record, format_int(retention))
end

-- Certain and final: SES has it. Without a MessageId it still counts as the owner of one row of SES's list.
local function accept(keys, record, now, note, retention)
  transition(keys, record, 'accepted', now, note)
  if record.ses_message_id then
    redis.call('ZREM', keys.unmatched, record.id)
  elseif record.route then
    redis.call('ZREMRANGEBYSCORE', keys.unmatched, '-inf', format_int(now - retention))
    redis.call('ZADD', keys.unmatched, format_int(now), record.id)
    redis.call('PEXPIRE', keys.unmatched, format_int(retention))
  end
  finalize(keys, record, retention)
end

-- Whether a record's request may have this fingerprint: where one is absent, or of another kind, nothing is known.
local function same_content(record, fingerprint)
  local known = record.fingerprint
  return not fingerprint
    or not known
    or known:match('^%w+:') ~= fingerprint:match('^%w+:')
    or known == fingerprint
end

-- Whether a caller or a platform was told that the ledger has the email: then it never ends without a word.
-- Records of 0.1.0 do not say, so they count as promised.
local function promised(record)
  return record.promised ~= '0'
end

-- sending -> unknown when the lease expires: the worker may have called SendEmail.
local function expire_lease(keys, record, now)
  if record.state == 'sending' and tonumber(record.lease_until) <= now then
    transition(keys, record, 'unknown', now, { code = 'Ledger.LeaseExpired' })
    redis.call('ZADD', keys.unsettled, record.lease_until, record.id) -- unknown since the lease ended
  end
end

-- What the ledger has promised ends here even where the list is full: its bytes were in the store before.
local function add_dead_letter(keys, source, reason, body)
  redis.call('XADD', keys.dead, '*', 'source', source, 'reason', reason, 'body', body)
  redis.call('HINCRBY', keys.dead_size, 'letters', 1)
  redis.call('HINCRBY', keys.dead_size, 'bytes', #source + #reason + #body)
end

-- Whether the dead letters have so many bytes that the ledger promises nothing new.
local function dead_letters_full(keys, max)
  return tonumber(redis.call('HGET', keys.dead_size, 'bytes') or '0') >= max
end

-- The bytes of dead letters as XRANGE returns them.
local function bytes_of(letters)
  local bytes = 0
  for _, letter in ipairs(letters) do
    for i = 2, #letter[2], 2 do
      bytes = bytes + #letter[2][i]
    end
  end
  return bytes
end

-- Removes up to `count` dead letters that are too old, oldest first, and voids a count that is under way; returns how
-- many. Those that an earlier version added were not counted, so the size is never less than nothing.
local function expire_dead_letters(keys, now, life, count)
  local old = redis.call('XRANGE', keys.dead, '-', format_int(now - life), 'COUNT', count)
  if #old == 0 then
    return 0
  end
  for _, letter in ipairs(old) do
    redis.call('XDEL', keys.dead, letter[1])
  end
  if redis.call('XLEN', keys.dead) == 0 then
    redis.call('DEL', keys.dead, keys.dead_size)
    return #old
  end
  local size = load(keys.dead_size)
  set_fields(keys.dead_size, size, {
    letters = math.max(tonumber(size.letters or '0') - #old, 0),
    bytes = math.max(tonumber(size.bytes or '0') - bytes_of(old), 0),
  })
  unset_fields(keys.dead_size, size, 'counted_to', 'counted_bytes')
  return #old
end

local function dead_letter(keys, record, detail)
  local history = cjson.decode(record.history)
  local reason = {
    id = record.smtp_message_id,
    state = record.state,
    code = record.code,
    request_id = history[#history].request_id,
    detail = detail,
    history = history,
  }
  add_dead_letter(keys, 'email:' .. record.id, cjson.encode(reason), record.body)
end

-- Ends an email that was certainly not sent, in one step with its dead letter if anybody was told that it is kept.
local function finish_unsent(keys, record, state, now, note, retention, detail)
  transition(keys, record, state, now, note)
  if promised(record) then
    dead_letter(keys, record, detail)
  end
  finalize(keys, record, retention)
end

-- An email that nothing settled within the retention is left to an operator, with a dead letter: still `unknown`, and
-- for another retention its key blocks, a callback still settles it, and the operator can.
local function abandon(keys, record, now, retention)
  transition(keys, record, 'unknown', now, { code = 'Ledger.Unresolved', decision = 'needs_operator' })
  dead_letter(keys, record)
  redis.call('ZREM', keys.unsettled, record.id)
  redis.call('PEXPIRE', keys.record, format_int(retention))
end

-- Blocks a recipient, or a recipient's domain, until `ends`, or for good; a block is only ever extended.
local function suppress(key, code, now, ends)
  if not ends then
    redis.call('SET', key, code)
  elseif ends > now and not redis.call('SET', key, code, 'NX', 'PXAT', format_int(ends)) then
    redis.call('PEXPIREAT', key, format_int(ends), 'GT')
  end
end

-- A route (JSON) with the recipients of another one, which may be nil.
local function join_routes(route, other)
  local hashes, known = cjson.decode(route), {}
  for _, hash in ipairs(hashes) do
    known[hash] = true
  end
  for index, hash in ipairs(cjson.decode(other or '[]')) do
    if index > 1 and not known[hash] then
      hashes[#hashes + 1] = hash
    end
  end
  return cjson.encode(hashes)
end

-- Fields of a record that no reply shows.
local INTERNAL = { body = true, stored_by = true, route = true, token = true, fingerprint = true }
local function reply(verdict, record, more)
  local fields = more or {}
  fields.verdict = verdict
  if record then
    local view = {}
    for name, value in pairs(record) do
      if not INTERNAL[name] then
        view[name] = value
      end
    end
    fields.record = view
  end
  return cjson.encode(fields)
end

-- Shared by every script: one email's record, the server's clock and the changes of state.
-- Times are milliseconds of the store's clock. A record holds its request (`body`) only while it may have to be sent.

local HISTORY = 40

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function format_int(number)
  return string.format('%.0f', number)
end

-- Names of fields in records that earlier versions wrote.
local RENAMED = { message_id = 'ses_message_id', no_trace = 'resend_allowed_at' }

local function load(key)
  local flat = redis.call('HGETALL', key)
  local record = {}
  for i = 1, #flat, 2 do
    record[RENAMED[flat[i]] or flat[i]] = flat[i + 1]
  end
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

-- Enters `state`, adds it to the history and keeps the two indexes: what is due, and what is in flight or unknown.
local function transition(keys, record, state, now, note)
  local history = record.history and cjson.decode(record.history) or {}
  note.state, note.at = state, now
  history[#history + 1] = note
  if #history > HISTORY then
    table.remove(history, 2)
  end
  local fields = { state = state, updated_at = now, history = cjson.encode(history) }
  if note.code then
    fields.code = note.code
  end
  if note.due_at then
    fields.due_at = note.due_at
  end
  set_fields(keys.record, record, fields)
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
  if state == 'sending' then
    redis.call('ZADD', keys.open, record.lease_until, record.id)
  elseif state == 'unknown' then
    redis.call('ZADD', keys.open, format_int(now), record.id)
  else
    redis.call('ZREM', keys.open, record.id)
  end
end

-- Certain and final: the request is dropped, and the record outlives every redelivery that may still come.
local function finalize(keys, record, retention)
  unset_fields(keys.record, record, 'body', 'route', 'token', 'lease_until', 'probe')
  redis.call('PEXPIRE', keys.record, format_int(retention))
end

-- sending -> unknown when the lease expires: the worker may have called SendEmail.
local function expire_lease(keys, record, now)
  if record.state == 'sending' and tonumber(record.lease_until) <= now then
    transition(keys, record, 'unknown', now, { code = 'Ledger.LeaseExpired' })
    redis.call('ZADD', keys.open, record.lease_until, record.id) -- unknown since the lease ended
  end
end

local function reply(verdict, record, more)
  local fields = more or {}
  fields.verdict = verdict
  if record then
    local view = {}
    for name, value in pairs(record) do
      if name ~= 'body' and name ~= 'route' and name ~= 'token' and name ~= 'fingerprint' then
        view[name] = value
      end
    end
    fields.record = view
  end
  return cjson.encode(fields)
end

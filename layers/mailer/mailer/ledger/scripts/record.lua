-- Shared by every script: one email's record, its clock and its changes of state.
-- Times are milliseconds of the store's own clock. A record keeps its request (`body`) only while it may have to be sent.

local HISTORY = 40

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function whole(number)
  return string.format('%.0f', number)
end

local function load(key)
  local flat = redis.call('HGETALL', key)
  local record = {}
  for i = 1, #flat, 2 do
    record[flat[i]] = flat[i + 1]
  end
  return record
end

local function put(key, record, fields)
  local flat = {}
  for name, value in pairs(fields) do
    if type(value) == 'number' then
      value = whole(value)
    end
    record[name] = value
    flat[#flat + 1] = name
    flat[#flat + 1] = value
  end
  redis.call('HSET', key, unpack(flat))
end

local function forget(key, record, ...)
  for _, name in ipairs({ ... }) do
    record[name] = nil
  end
  redis.call('HDEL', key, ...)
end

-- Enters `state`, notes it in the history and keeps the two indexes: what is due, and what is open.
local function enter(keys, record, state, now, note)
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
  put(keys.record, record, fields)
  if record.no_trace then
    forget(keys.record, record, 'no_trace')
  end
  if not note.code then
    forget(keys.record, record, 'code')
  end
  if not note.due_at then
    forget(keys.record, record, 'due_at')
  end
  if state == 'deferred' or state == 'scheduled' then
    redis.call('ZADD', keys.due, whole(note.due_at), record.id)
  else
    redis.call('ZREM', keys.due, record.id)
  end
  if state == 'sending' then
    redis.call('ZADD', keys.open, record.lease_until, record.id)
  elseif state == 'unknown' then
    redis.call('ZADD', keys.open, whole(now), record.id)
  else
    redis.call('ZREM', keys.open, record.id)
  end
end

-- Certain and final: the request is dropped, and the record outlives every redelivery that may still come.
local function close(keys, record, retention)
  forget(keys.record, record, 'body', 'route', 'token', 'lease_until', 'probe')
  redis.call('PEXPIRE', keys.record, whole(retention))
end

-- sending --lease over--> unknown: whoever held it may have called SendEmail.
local function lapse(keys, record, now)
  if record.state == 'sending' and tonumber(record.lease_until) <= now then
    enter(keys, record, 'unknown', now, { code = 'Ledger.LeaseLapsed' })
    redis.call('ZADD', keys.open, record.lease_until, record.id) -- in doubt since then, whenever it is noticed
  end
end

local function answer(verdict, record, more)
  local reply = more or {}
  reply.verdict = verdict
  if record then
    local view = {}
    for name, value in pairs(record) do
      if name ~= 'body' and name ~= 'route' and name ~= 'token' and name ~= 'fingerprint' then
        view[name] = value
      end
    end
    reply.record = view
  end
  return cjson.encode(reply)
end

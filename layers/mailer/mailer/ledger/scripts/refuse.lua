-- Record why messages were refused before they became emails: nothing was stored or sent of them. A record that exists
-- says more and stays; an email may be sent under its key as soon as the message can be read.
-- KEYS: the record of each message
-- ARGV: 1 the parameters as JSON: trigger, retention (ms), refusals (a list, in the order of KEYS, of id, code, detail)

local params = cjson.decode(ARGV[1])
local now = clock()

local function refuse(key, id, code, detail)
  local note = { state = 'refused', at = now, code = code, detail = detail }
  local fields = {
    id = id,
    state = note.state,
    code = code,
    created_at = now,
    updated_at = now,
    history = add_history({}, note),
    attempts = '0',
    attempts_before = '0',
    promised = '0',
    namespace = '',
    smtp_message_id = id, -- whose domain would be that of a sender
    trigger = params.trigger,
  }
  set_fields(key, {}, fields)
  redis.call('PEXPIRE', key, format_int(params.retention))
end

for i, refusal in ipairs(params.refusals) do
  if redis.call('EXISTS', KEYS[i]) == 0 then
    refuse(KEYS[i], unpack(refusal))
  end
end

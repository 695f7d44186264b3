-- Takes the place of clock.lua: the time is the simulation's, and so is the life of every key.
-- `sim:now` is the store's time (ms); `sim:deadlines` has the keys that expire, by when. `tick` deletes what is over.

local redis = (function()
  local server, deadlines = redis, 'sim:deadlines'
  local raw = server.call

  local function time()
    return tonumber(raw('GET', 'sim:now'))
  end

  local function expire_at(key, at)
    raw('ZADD', deadlines, string.format('%.0f', at), key)
  end

  local function forget_if_gone(key)
    if raw('ZSCORE', deadlines, key) and raw('EXISTS', key) == 0 then
      raw('ZREM', deadlines, key)
    end
  end

  local special = {}

  function special.SET(key, value, ...)
    local rest, at = {}, nil
    local options = { ... }
    local i = 1
    while i <= #options do
      if options[i] == 'PX' then
        at, i = time() + tonumber(options[i + 1]), i + 2
      elseif options[i] == 'PXAT' then
        at, i = tonumber(options[i + 1]), i + 2
      else
        rest[#rest + 1], i = options[i], i + 1
      end
    end
    local reply = raw('SET', key, value, unpack(rest))
    if reply and at then
      expire_at(key, at)
    elseif reply then
      raw('ZREM', deadlines, key)
    end
    return reply
  end

  function special.PEXPIRE(key, ms)
    if raw('EXISTS', key) == 0 then
      return 0
    end
    expire_at(key, time() + tonumber(ms))
    return 1
  end

  function special.PEXPIREAT(key, at, condition)
    if condition ~= nil and condition ~= 'GT' then
      error('the simulation has no PEXPIREAT ' .. condition)
    end
    local known = raw('ZSCORE', deadlines, key)
    if raw('EXISTS', key) == 0 or condition == 'GT' and not (known and tonumber(known) < tonumber(at)) then
      return 0
    end
    expire_at(key, tonumber(at))
    return 1
  end

  function special.PTTL(key)
    if raw('EXISTS', key) == 0 then
      return -2
    end
    local at = raw('ZSCORE', deadlines, key)
    return at and tonumber(at) - time() or -1
  end

  function special.PERSIST(key)
    return raw('ZREM', deadlines, key)
  end

  function special.RENAME(key, name)
    local at = raw('ZSCORE', deadlines, key)
    local reply = raw('RENAME', key, name)
    raw('ZREM', deadlines, key, name)
    if at then
      expire_at(name, tonumber(at))
    end
    return reply
  end

  for _, name in ipairs({ 'DEL', 'ZREM', 'HDEL', 'LPOP', 'RPOP', 'LTRIM', 'ZREMRANGEBYSCORE', 'ZREMRANGEBYRANK', 'XTRIM' }) do
    special[name] = function(key, ...)
      local reply = raw(name, key, ...)
      forget_if_gone(key)
      return reply
    end
  end

  for _, name in ipairs({ 'EXPIRE', 'EXPIREAT', 'EXPIRETIME', 'PEXPIRETIME', 'TTL', 'TIME', 'SETEX', 'PSETEX', 'UNLINK', 'GETEX', 'GETDEL', 'COPY', 'RESTORE' }) do
    special[name] = function()
      error('the simulation has no ' .. name)
    end
  end

  -- An entry has the time, or that of the last one if the clock was set back.
  function special.XADD(key, id, ...)
    if id ~= '*' then
      error('the simulation has no XADD with an id')
    end
    local last, ms = raw('XREVRANGE', key, '+', '-', 'COUNT', 1)[1], time()
    if last then
      ms = math.max(ms, tonumber(last[1]:match('^%d+')))
    end
    return raw('XADD', key, string.format('%.0f-*', ms), ...)
  end

  local function call(name, ...)
    local own = special[name]
    if own then
      return own(...)
    end
    return raw(name, ...)
  end

  return setmetatable({ call = call }, { __index = server })
end)()

local function clock()
  return tonumber(redis.call('GET', 'sim:now'))
end

#!lua flags=allow-oom
-- Return every key of the layer as JSON: its name, type, content, and when it expires (ms).

local all = {}
for _, key in ipairs(redis.call('KEYS', 'mailer:*')) do
  local kind, value = redis.call('TYPE', key).ok, nil
  if kind == 'hash' then
    value = redis.call('HGETALL', key)
  elseif kind == 'zset' then
    value = redis.call('ZRANGE', key, 0, -1, 'WITHSCORES')
  elseif kind == 'list' then
    value = redis.call('LRANGE', key, 0, -1)
  elseif kind == 'stream' then
    value = {}
    for i, entry in ipairs(redis.call('XRANGE', key, '-', '+')) do
      value[i] = entry[2]
    end
  else
    value = redis.call('GET', key)
  end
  all[#all + 1] = { key, kind, value, redis.call('ZSCORE', 'sim:deadlines', key) }
end
return cjson.encode(all)

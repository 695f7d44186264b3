#!lua flags=allow-oom
-- Set the time, and delete what is over by then.
-- ARGV: 1 the store's time (ms)

redis.call('SET', 'sim:now', ARGV[1])
for _, key in ipairs(redis.call('ZRANGEBYSCORE', 'sim:deadlines', '-inf', ARGV[1])) do
  redis.call('DEL', key)
  redis.call('ZREM', 'sim:deadlines', key)
end

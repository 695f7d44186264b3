#!lua flags=allow-oom
-- Let a key expire.
-- KEYS: 1 the key
-- ARGV: 1 when (ms)

if redis.call('EXISTS', KEYS[1]) == 0 then
  return 0
end
redis.call('ZADD', 'sim:deadlines', ARGV[1], KEYS[1])
return 1

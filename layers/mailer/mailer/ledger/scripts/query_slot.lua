-- Take the account's next status query, or give it back.
-- KEYS: 1 status_query_slot
-- ARGV: 1 `acquire`, or `release`
--       2 life of the slot (ms)
--       3 interval between queries (ms)

if ARGV[1] == 'release' then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[3])
  return 0
end
if redis.call('SET', KEYS[1], '1', 'NX', 'PX', ARGV[2]) then
  return 0
end
return math.max(math.min(redis.call('PTTL', KEYS[1]), tonumber(ARGV[3])), 1)

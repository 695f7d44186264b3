-- Return the key of the hashes of addresses, which is made at first use.
-- KEYS: 1 hash_key
-- ARGV: 1 the key, where there is none

redis.call('SET', KEYS[1], ARGV[1], 'NX')
return redis.call('GET', KEYS[1])

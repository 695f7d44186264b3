-- Add a dead letter, once per source.
-- KEYS: 1 the stream of dead letters
--       2 the mark of the source
-- ARGV: 1 life of the mark (ms)
--       2… names and values of the dead letter's fields

if not redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[1]) then
  return false
end
return redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))

-- A dead letter: kept once per source, whole, with its reason. KEYS: the stream, the mark of the source. ARGV: mark's life, fields.

if not redis.call('SET', KEYS[2], '1', 'NX', 'PX', ARGV[1]) then
  return false
end
return redis.call('XADD', KEYS[1], '*', unpack(ARGV, 2))

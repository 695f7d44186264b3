#!lua flags=allow-oom
-- Copy everything into another database.
-- ARGV: 1 its number

for _, key in ipairs(redis.call('KEYS', '*')) do
  redis.call('COPY', key, key, 'DB', ARGV[1])
end

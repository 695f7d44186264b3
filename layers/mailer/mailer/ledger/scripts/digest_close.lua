-- Close a recipient's window and drop its items.
-- KEYS: 1 recipients
--       2 items
--       3 frozen
--       4 recipient
-- ARGV: 1 window
--       2 recipient (address hash)
--       3 retention of the last window (ms)

local recipients, items, frozen, recipient = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if redis.call('HGET', recipient, 'window') ~= ARGV[1] then
  return 0
end
redis.call('DEL', frozen)
redis.call('HSET', recipient, 'last_window', ARGV[1])
redis.call('HDEL', recipient, 'window', 'scheduled_at', 'attempts', 'missed')
redis.call('PEXPIRE', recipient, ARGV[3])
if redis.call('EXISTS', items) == 0 then
  redis.call('ZREM', recipients, ARGV[2])
end
return 1

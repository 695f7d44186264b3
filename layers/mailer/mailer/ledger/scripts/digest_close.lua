-- A window is over for one recipient: its items are dropped, and it never comes again.
-- KEYS: recipients, items, frozen, recipient. ARGV: window, recipient, for how long its end is remembered.

local recipients, items, frozen, key = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if redis.call('HGET', key, 'window') ~= ARGV[1] then
  return 0
end
redis.call('DEL', frozen)
redis.call('HSET', key, 'last_window', ARGV[1])
redis.call('HDEL', key, 'window', 'tick', 'tries', 'missed')
redis.call('PEXPIRE', key, ARGV[3])
if redis.call('EXISTS', items) == 0 then
  redis.call('ZREM', recipients, ARGV[2])
end
return 1

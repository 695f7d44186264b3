-- Remove dead letters that are too old; or, where somebody else removed or added some, first count them anew: an
-- operator, or a version that did not count. Returns how many were removed, and 1 if there may be more to do.
-- KEYS: 1 the stream of dead letters
--       2 their size
-- ARGV: 1 life of a dead letter (ms)
--       2 of how many at most

local keys = { dead = KEYS[1], dead_size = KEYS[2] }
local count = tonumber(ARGV[2])
local size = load(keys.dead_size)
local letters = redis.call('XLEN', keys.dead)

if letters == 0 then
  redis.call('DEL', keys.dead, keys.dead_size)
  return { 0, 0 }
end
if tonumber(size.letters or '0') ~= letters then
  local since = size.counted_to and '(' .. size.counted_to or '-'
  local page = redis.call('XRANGE', keys.dead, since, '+', 'COUNT', count)
  local bytes = tonumber(size.counted_bytes or '0') + bytes_of(page)
  if #page == count then
    set_fields(keys.dead_size, size, { counted_to = page[count][1], counted_bytes = bytes })
  else
    set_fields(keys.dead_size, size, { letters = letters, bytes = bytes })
    unset_fields(keys.dead_size, size, 'counted_to', 'counted_bytes')
  end
  return { 0, 1 }
end
local removed = expire_dead_letters(keys, clock(), tonumber(ARGV[1]), count)
return { removed, removed == count and 1 or 0 }

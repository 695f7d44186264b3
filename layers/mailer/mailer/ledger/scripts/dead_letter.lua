-- Add the dead letter of something that the ledger does not hold, once per source: `added`, or `known`; it is `full`
-- where the dead letters have too many bytes. Before that, remove some that are too old.
-- KEYS: 1 the stream of dead letters
--       2 their size
--       3 the mark of the source
-- ARGV: 1 life of the mark (ms)
--       2 life of a dead letter (ms)
--       3 the bytes from which on nothing is added
--       4 source
--       5 reason (JSON)
--       6 body

local REMOVED_BEFORE = 10

local keys, seen = { dead = KEYS[1], dead_size = KEYS[2] }, KEYS[3]
expire_dead_letters(keys, clock(), tonumber(ARGV[2]), REMOVED_BEFORE)
if redis.call('EXISTS', seen) == 1 then
  return 'known'
end
if dead_letters_full(keys, tonumber(ARGV[3])) then
  return 'full'
end
redis.call('SET', seen, '1', 'PX', ARGV[1])
add_dead_letter(keys, ARGV[4], ARGV[5], ARGV[6])
return 'added'

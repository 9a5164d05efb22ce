-- Opens the log for an attempt. The only script that creates the meta key: an append that did so would, after a
-- FLUSHALL, let the zombie of an older attempt fence off the living.
-- KEYS  1 meta (hash: attempt, token, epoch, last, closed?, stop?)   2 log (stream)   3 stop (string, optional)
-- ARGV  1 attempt   2 writer token   3 epoch to use if there is no log   4 last seq already known of this attempt
--       5 position before this attempt, if there is no log   6 TTL ms
-- A log that is behind what is known of this attempt counts as no log.
-- Returns {'OK', epoch, last seq of this attempt, position before it} or {'FENCED'} or {'CLOSED'}
local meta = redis.call('HMGET', KEYS[1], 'attempt', 'token', 'epoch', 'last', 'closed', 'before')
local attempt = tonumber(ARGV[1])
local epoch, last, before = meta[3], 0, meta[6]
if meta[1] then
  local held = tonumber(meta[1])
  if held > attempt or (held == attempt and meta[2] ~= ARGV[2]) then return {'FENCED'} end
  if meta[5] then return {'CLOSED'} end
  if held == attempt then
    last = tonumber(meta[4])                                -- our own begin, repeated after a lost reply
  elseif meta[4] ~= '0' then                                -- else it left no event: what was before it stays
    before = meta[1] .. '-' .. meta[4]
  end
end
if not meta[1] or last < tonumber(ARGV[4]) then             -- no log, or a crash of Redis cost it the newest events
  redis.call('DEL', KEYS[2])
  epoch, last, before = ARGV[3], tonumber(ARGV[4]), ARGV[5]
end
redis.call('HSET', KEYS[1], 'attempt', attempt, 'token', ARGV[2], 'epoch', epoch, 'last', last, 'before', before)
if redis.call('EXISTS', KEYS[3]) == 1 then redis.call('HSET', KEYS[1], 'stop', 1) end
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return {'OK', epoch, last, before}

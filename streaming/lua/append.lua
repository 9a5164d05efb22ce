-- Appends one durable event and publishes it, as one atomic step. Idempotent: a repeated command changes nothing.
-- KEYS  1 meta (hash)   2 log (stream)
-- ARGV  1 attempt   2 writer token   3 seq   4 kind: d text, b block, o other, x terminal   5 frame
--       6 pub/sub channel   7 message for the channel layer   8 TTL ms
-- Returns OK, or why not, checked in this order:
--   LOST no log (Redis lost its memory) · FENCED not the current attempt's writer · (seq already there: OK) ·
--   CLOSED after the terminal event · STOPPED text after a stop; the terminal event passes · GAP a seq is missing
local meta = redis.call('HMGET', KEYS[1], 'attempt', 'token', 'last', 'closed', 'stop')
if not meta[1] then return 'LOST' end
if meta[1] ~= ARGV[1] or meta[2] ~= ARGV[2] then return 'FENCED' end
local seq, last = tonumber(ARGV[3]), tonumber(meta[3])
if seq <= last then return 'OK' end
if meta[4] then return 'CLOSED' end
if meta[5] and ARGV[4] == 'd' then return 'STOPPED' end
if seq > last + 1 then return 'GAP' end
redis.call('XADD', KEYS[2], ARGV[1] .. '-' .. ARGV[3], 'k', ARGV[4], 'f', ARGV[5])
if ARGV[4] == 'x' then
  redis.call('HSET', KEYS[1], 'last', ARGV[3], 'closed', 1)
else
  redis.call('HSET', KEYS[1], 'last', ARGV[3])
end
-- Often enough: 32 events take seconds, the TTL is minutes. A log begun again after a loss starts anywhere.
if seq % 32 == 1 or ARGV[4] == 'x' or redis.call('XLEN', KEYS[2]) == 1 then
  redis.call('PEXPIRE', KEYS[1], ARGV[8])
  redis.call('PEXPIRE', KEYS[2], ARGV[8])
end
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 'OK'

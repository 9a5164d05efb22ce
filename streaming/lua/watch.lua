-- One look of the watch over workers' leases. All processes that look keep one watch together: its continuity is here
-- and not in any of them, so that it outlives each. It is broken, and begins anew, when nobody looked for longer than a
-- lease forgives (Redis stood still, or was out of reach), when Redis lost it, and when this is not the server process
-- that the last look saw (a restart or a fail-over may have lost the newest renewals).
-- KEYS  1 watch (hash: run, since, at: ms of the server's clock)   2.. leases of workers
-- ARGV  1 longest gap between two looks, ms   2 TTL ms
-- Returns {ms that the watch has lasted, then for each lease 1 if it is there and 0 if not}
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%w+)')
local watch = redis.call('HMGET', KEYS[1], 'run', 'since', 'at')
local since, at = tonumber(watch[2]), tonumber(watch[3])
if watch[1] ~= run or not at or now < at or now - at > tonumber(ARGV[1]) then since = now end
redis.call('HSET', KEYS[1], 'run', run, 'since', since, 'at', now)
redis.call('PEXPIRE', KEYS[1], ARGV[2])
local answer = {now - since}
for number = 2, #KEYS do answer[number] = redis.call('EXISTS', KEYS[number]) end
return answer

-- One request of somebody who may make so many in a while (generic cell rate: one key, one time, no window to fall into).
-- KEYS  1 the time at which all that was taken is paid back, in microseconds (string)
-- ARGV  1 microseconds that one request costs   2 how many may come at once
-- Returns {taken 1 or 0, how many are left, microseconds until one more fits (0: now), microseconds until all do}
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000000 + tonumber(time[2])
local cost, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local paid = math.max(tonumber(redis.call('GET', KEYS[1]) or now), now)
local room = burst * cost - (paid - now)
if room < cost then
  return {0, 0, cost - room, paid - now}
end
paid = paid + cost
redis.call('SET', KEYS[1], string.format('%.0f', paid), 'PX', math.ceil((paid - now) / 1000) + 1000)
local left = math.floor((room - cost) / cost)
return {1, left, left > 0 and 0 or (cost - (room - cost)), paid - now}

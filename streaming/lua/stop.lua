-- Asks the writer to stop. Before the log began, the wish waits in a key of its own, which begin reads.
-- KEYS  1 meta (hash)   2 stop (string)
-- ARGV  1 TTL ms
if redis.call('EXISTS', KEYS[1]) == 1 then
  redis.call('HSET', KEYS[1], 'stop', 1)
else
  redis.call('SET', KEYS[2], 1, 'PX', ARGV[1])
end
return 'OK'

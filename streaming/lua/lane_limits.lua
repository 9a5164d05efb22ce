-- Applying a configuration: at once, and without a jump of what the buckets hold.
local function set_budget(budget, limit, rate, burst)
  local fresh = not state[budget.cap]
  put(budget.cap, burst); put(budget.cap .. '0', burst)
  put(budget.rate, rate)
  put(budget.letter .. '_limit', limit)
  -- A bucket we know nothing of is as full as the lane's own rest has made it.
  local level = fresh and rate * max(0, now - num('used_at', now)) / 1000 or num(budget.level)
  put(budget.level, min(cap(budget), level))
end
local function clear_budget(budget)
  for _, field in ipairs({'_cap', '_cap0', '_rate', '_limit', '_level', '_seen', '_seen_n', '_above'}) do
    put(budget.letter .. field, nil)
  end
end
local function unpark_all()
  for _, found in ipairs(call('ZRANGE', PARKED, 0, -1)) do unpark(found:match('^[^|]*')) end
end
local function configure(from)
  for n = from, #ARGV, 2 do
    local field, value, budget = ARGV[n], ARGV[n + 1], nil
    for _, each in ipairs(ALL) do if each.letter == field then budget = each end end
    if budget and value == '' then clear_budget(budget)
    elseif budget then
      local limit, rate, burst = value:match('^(%S+) (%S+) (%S+)$')
      set_budget(budget, tonumber(limit), tonumber(rate), tonumber(burst))
      put(field .. '_seen', nil); put(field .. '_seen_n', nil); put(field .. '_above', nil)
    else put(field, value ~= '' and value or nil) end
  end
end

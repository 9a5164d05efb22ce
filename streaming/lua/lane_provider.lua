-- Part 3: limits, and what the provider's answers teach about them.
-- configure  limit digest field value …   → CHANGED · SAME (this configuration is in force already, with what was learned)
--            budgets come as r, i, o with value "limit rate cap" or '' (unlimited); the rest are fields of the state
-- capacity   slots limit               → OK: as many as live workers have free; '' for no such bound
-- observe    ticket admission limit (budget limit remaining window_ms)… → OK {budget, old limit, new limit, …} adopted
--            ticket '' for a refusal; else the provider took this ticket's request
-- pause      wait_ms factor jitter_ms budget   → OK {until}   · overload wait_ms jitter_ms → OK {until}
-- block      reason (a sentence)       → OK    · unblock limit reopen → OK; reopen '1' also ends the provider's pause, and has one probe
--            tried after an overload: an administrator knows better than a Retry-After of a day
-- hold       pause or drain, why (a sentence), until ms or ''  → OK: an administrator's order; running ones go on
-- release    limit                     → OK: the order is withdrawn
local WINDOW_MS = 60000

-- A limit that differs is adopted when three answers running say the same.
local function learn_limit(budget, limit, window)
  local letter, known = budget.letter, tonumber(state[budget.letter .. '_limit'])
  if limit == known or limit <= 0 or (known and limit > known and not state.adopt_higher) then
    put(letter .. '_seen', nil); put(letter .. '_seen_n', nil)
    return false
  end
  local times = num(letter .. '_seen') == limit and num(letter .. '_seen_n') + 1 or 1
  put(letter .. '_seen', limit); put(letter .. '_seen_n', times)
  if times < 3 then return false end
  put(letter .. '_seen', nil); put(letter .. '_seen_n', nil)
  local rate = limit / (window > 0 and window or WINDOW_MS)
  set_budget(budget, limit, 1000 * rate * num('pace', 1), max(1, min(limit, rate * num('burst', WINDOW_MS))))
  return true
end
-- Down at once, another program may use the key too; up by halves, after twenty answers that all had more than we.
local function learn_level(budget, limit, remaining)
  local above, believed = budget.letter .. '_above', remaining - num(budget.out)
  if believed < num(budget.level) then put(budget.level, believed) end
  if believed <= num(budget.level) + 0.05 * num(budget.cap) then return put(above, nil) end
  put(above, num(above) + 1)
  if num(above) < 20 then return end
  put(above, nil)
  if believed > num(budget.cap) then put(budget.cap, min(limit, (num(budget.cap) + believed) / 2)) end
  put(budget.level, min(cap(budget), (num(budget.level) + believed) / 2))
end

if OP == 'configure' then
  if state.config == ARGV[3] then return reply('SAME') end
  put('config', ARGV[3])
  configure(4)
  unpark_all()
  return reply('CHANGED', nil, arg(2))

elseif OP == 'capacity' then
  put('slots', ARGV[2] ~= '' and arg(2) or nil)
  return reply('OK', nil, arg(3))

elseif OP == 'observe' then
  local id, adopted = ARGV[2], {}
  local ticket = id ~= '' and load(id) or nil
  if mine(ticket, arg(3)) and ticket.state == 'r' then
    arrive(id, ticket)
    store(id, ticket)
  end
  for n = 5, #ARGV, 4 do
    for _, budget in ipairs(ALL) do
      if budget.letter == ARGV[n] then
        local old = num(budget.letter .. '_limit')
        if learn_limit(budget, arg(n + 1), arg(n + 3)) then
          for _, value in ipairs({budget.letter, floor(old), floor(arg(n + 1))}) do adopted[#adopted + 1] = value end
        end
        if state[budget.cap] then learn_level(budget, arg(n + 1), arg(n + 2)) end
      end
    end
  end
  return reply('OK', adopted, arg(4))

elseif OP == 'pause' then
  pause(arg(2), arg(3), arg(4), ARGV[5])
  return reply('OK', {floor(num('pause_until'))})

elseif OP == 'overload' then
  overload(nil, arg(2), arg(3))
  return reply('OK', {floor(num('breaker_until'))})

elseif OP == 'block' then
  put('blocked', ARGV[2])
  return reply('OK')

elseif OP == 'hold' then
  put('held', ARGV[2]); put('held_why', ARGV[3])
  put('held_until', ARGV[4] ~= '' and arg(4) or nil)
  return reply('OK')

elseif OP == 'release' then
  put('held', nil); put('held_why', nil); put('held_until', nil)
  return reply('OK', nil, arg(2))

elseif OP == 'unblock' then
  put('blocked', nil)
  if ARGV[3] == '1' then
    put('pause_until', nil)
    if state.breaker_until then put('breaker_until', min(now, num('breaker_until'))) end
  end
  return reply('OK', nil, arg(2))
end
return redis.error_reply('unknown operation ' .. OP)

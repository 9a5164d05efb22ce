-- What a provider's refusals do to the whole lane: a 429 pauses it, an overload opens a breaker, a success mends.

-- Who names a short time and refuses again and again is asked less and less often, until it serves one request.
local PATIENCE, PATIENT_WAIT_MAX = 4, 15000
local function no_sooner(wait)
  if now >= num('pause_until') then put('refusals', num('refusals') + 1) end
  local beyond = num('refusals') - PATIENCE
  return beyond >= 0 and max(wait, min(PATIENT_WAIT_MAX, 1000 * 2 ^ beyond)) or wait
end
local function pause(wait, factor, jitter, budget)
  if wait <= 0 then
    wait = min(60000, max(5000, 2 * num('limit_wait')))
    put('limit_wait', wait)
  end
  wait = no_sooner(wait)
  if now >= num('pause_until') and factor < 1 then          -- once per pause, not once per request it hit
    put('mult', max(0.25, num('mult', 1) * factor))
    put('mult_at', now)
    for _, each in ipairs(ALL) do if state[each.cap] then put(each.cap, min(num(each.cap), num(each.cap .. '0'))) end end
  end
  for _, each in ipairs(ALL) do
    if each.letter == budget and state[each.cap] then put(each.level, min(0, num(each.level))) end
  end
  if now >= num('pause_until') then note('p', whole(now), whole(wait + jitter)) end
  put('pause_until', max(num('pause_until'), now + wait + jitter))
end

-- Requests of before the breaker opened say nothing new. A failed probe doubles the wait; slots shrink once per opening.
local function overload(ticket, wait, jitter)
  local open = state.breaker_until
  if open and (now < num('breaker_until') or (ticket and ticket.admitted_at <= num('breaker_at'))) then return end
  if not open then
    local running = min(slots(), max(1, call('ZCARD', INFLIGHT)))
    put('conc_soft', max(1, floor((slots() < math.huge and slots() or running) * 0.7)))
    put('successes', 0)
  end
  put('breaker_wait', min(60000, max(2000, 2 * num('breaker_wait'))))
  put('breaker_at', now)
  put('breaker_until', now + max(wait, num('breaker_wait')) + jitter)
  note('p', whole(now), whole(num('breaker_until') - now))
  put('probe', nil)
end

local function succeed(id)
  put('limit_wait', nil); put('refusals', nil)
  if state.probe == id then
    put('breaker_until', nil); put('breaker_at', nil); put('breaker_wait', nil); put('probe', nil)
  end
  if not state.conc_soft then return end
  put('successes', num('successes') + 1)
  if num('successes') < 20 then return end
  put('successes', 0)
  put('conc_soft', num('conc_soft') + 1)
  if num('conc_soft') >= min(num('conc', 1000), num('slots', 1000)) then put('conc_soft', nil) end
end

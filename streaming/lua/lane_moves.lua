-- Part 2 of every lane script: tickets, their places, and the drain that lets them start.
-- A ticket is a map: state (q in the order · p parked · h handed over · r running · l lost), user, input, output, cost,
-- weight, tag, seq, admission, queued_at, admitted_at, charged, produced (output tokens), arrived, cancelled, holder.

local function load(id)
  local packed = call('HGET', TICKETS, id)
  return packed and cmsgpack.unpack(packed) or nil
end
local function store(id, ticket) call('HSET', TICKETS, id, cmsgpack.pack(ticket)) end
local function drop(id) call('HDEL', TICKETS, id) end

local function counted(user, what) return tonumber(call('HGET', USERS, user .. ':' .. what) or 0) end
local function count(user, what, change)
  if call('HINCRBY', USERS, user .. ':' .. what, change) <= 0 then call('HDEL', USERS, user .. ':' .. what) end
end

-- Places. Equal tags are served in order of arrival, so nobody is overtaken by a later stranger.

local function member(id, ticket) return format('%013.0f:%s', ticket.seq, id) end
local function parked_member(id, ticket)
  return format('%s|%016.0f|%s', ticket.user, ticket.tag, member(id, ticket))
end
local function park(id, ticket)
  ticket.state = 'p'
  call('ZADD', PARKED, 0, parked_member(id, ticket))
  store(id, ticket)
end
local function queue(id, ticket)
  ticket.state = 'q'
  call('ZADD', ORDER, ticket.tag, member(id, ticket))
  store(id, ticket)
end
local function line_up(id, ticket)
  count(ticket.user, 'q', 1)
  if counted(ticket.user, 'n') >= num('user_conc', math.huge) then park(id, ticket) else queue(id, ticket) end
end
-- A user with parked tickets always has as many others in flight or in the order as the limit allows: one out, one in.
local function unpark(user)
  local found = call('ZRANGEBYLEX', PARKED, '[' .. user .. '|', '(' .. user .. '}', 'LIMIT', 0, 1)[1]
  if not found then return end
  call('ZREM', PARKED, found)
  local id = found:match('|%d+|%d+:(.+)$')
  local ticket = load(id)
  if ticket then queue(id, ticket) end
end
local function leave_queue(id, ticket)
  if ticket.state == 'p' then call('ZREM', PARKED, parked_member(id, ticket))
  else call('ZREM', ORDER, member(id, ticket)) end
  count(ticket.user, 'q', -1)
end

-- Fair order: the tag of a user's next ticket moves by what he used, divided by his weight.

local function span(ticket, cost) return floor(cost * SCALE / ticket.weight + 0.5) end
local function finish_of(user) return tonumber(call('ZSCORE', FINISH, user) or 0) end
local function move_finish(user, tag)                       -- at or below the lane's own tag it says nothing
  if tag > num('virtual') then call('ZADD', FINISH, tag, user) else call('ZREM', FINISH, user) end
end
-- A ticket turned out to cost `cost`. A tag that was forgotten had been passed: then the ticket's own end stands for it.
local function correct_finish(ticket, cost)
  local finish = tonumber(call('ZSCORE', FINISH, ticket.user) or ticket.tag + span(ticket, ticket.cost))
  move_finish(ticket.user, finish + span(ticket, cost) - span(ticket, ticket.cost))
end
local function next_tag(user) return max(num('virtual'), finish_of(user)) end
local function waiting() return call('ZCARD', ORDER) + call('ZCARD', PARKED) end
local function rest()                                       -- nobody waits or runs: all users are equal again
  if waiting() + call('ZCARD', INFLIGHT) > 0 then return end
  for _, budget in ipairs(ALL) do owe(budget, -num(budget.out)) end
  local last = call('ZRANGE', FINISH, -1, -1, 'WITHSCORES')
  if last[2] then put('virtual', max(num('virtual'), tonumber(last[2]))) end
  call('DEL', FINISH)
end

-- Accounts.

local R, I, O = ALL[1], ALL[2], ALL[3]
local function unseen(ticket)                               -- output tokens the provider may still count
  if ticket.arrived and state.reserve_max then return 0 end
  return max(0, ticket.charged - ticket.produced)
end
local function reserve(ticket)
  take(R, 1); take(I, ticket.input); take(O, ticket.output)
  ticket.charged, ticket.produced, ticket.arrived = ticket.output, 0, nil
  owe(R, 1); owe(I, ticket.input); owe(O, unseen(ticket))
end
local function arrive(id, ticket)                           -- the provider took it: its wait is over for certain
  if ticket.arrived then return end
  owe(R, -1); owe(I, -ticket.input); owe(O, -unseen(ticket))
  ticket.arrived = 1
  owe(O, unseen(ticket))
  note('w', whole(now), whole(ticket.admitted_at - ticket.queued_at), 0, id)
end
local function produce(ticket, produced)                    -- charged at once above the reservation
  if produced <= ticket.produced then return end
  local before = unseen(ticket)
  if produced > ticket.charged then
    take(O, produced - ticket.charged)
    ticket.charged = produced
  end
  ticket.produced = produced
  owe(O, unseen(ticket) - before)
end
local function close_account(ticket, requests, input, output)  -- what was really used
  take(R, requests - 1); take(I, input - ticket.input); take(O, output - ticket.charged)
  owe(O, -unseen(ticket))
  if not ticket.arrived then owe(R, -1); owe(I, -ticket.input) end
end

-- In flight.

local function leave_inflight(id, ticket)
  call('ZREM', INFLIGHT, id)
  count(ticket.user, 'n', -1)
  if state.probe == id then put('probe', nil) end
  unpark(ticket.user)
end
local function back(id, ticket, requests, input, output)    -- to the same place
  if ticket.state ~= 'l' then
    close_account(ticket, requests, input, output)
    leave_inflight(id, ticket)
  end
  ticket.admission, ticket.holder, ticket.charged, ticket.produced, ticket.arrived = nil, nil, nil, nil, nil
  line_up(id, ticket)
end
local function drop_unstarted(id, ticket)
  close_account(ticket, 0, 0, 0)
  leave_inflight(id, ticket)
  correct_finish(ticket, 0)
  drop(id)
end
local function waits(ticket) return ticket.state == 'q' or ticket.state == 'p' end
local function mine(ticket, admission) return ticket and ticket.admission == admission end

-- Drain.

-- An administrator's order that is in force: pause or drain.
local function held()
  if state.held and (not state.held_until or now < num('held_until')) then return state.held end
  return nil
end
-- Why nobody may start now, and until when (0: that is not known). `id` may pass as the breaker's probe.
local function closed(id)
  if state.blocked or held() == 'drain' then return 'blocked', 0 end
  if held() then return 'held', num('held_until') end
  if now < num('pause_until') then return 'paused', num('pause_until') end
  if not state.breaker_until then return nil, 0 end
  if now < num('breaker_until') then return 'overloaded', num('breaker_until') end
  if state.probe and state.probe ~= id then return 'probing', 0 end
  return nil, 0
end
local function slots()
  return min(num('conc', math.huge), num('slots', math.huge), num('conc_soft', math.huge))
end
-- A request larger than a bucket runs from a full one and leaves a debt.
local function short_of(ticket)
  if call('ZCARD', INFLIGHT) >= slots() then return 'slots', 0 end
  local need, why, at = {r = 1, i = ticket.input, o = ticket.output}, nil, now
  for _, budget in ipairs(ALL) do
    local short = state[budget.cap] and min(need[budget.letter], cap(budget)) - num(budget.level) or 0
    if short > 1e-9 then
      local rate = num(budget.rate) * speed
      local ready = rate > 0 and now + math.ceil(1000 * short / rate) or math.huge
      if ready > at then why, at = budget.letter, ready end
    end
  end
  return why, at == math.huge and 0 or at
end
local function heal()                                       -- leases that ended; a lost hand-off loses no place
  local lost = {}
  for _, id in ipairs(call('ZRANGEBYSCORE', INFLIGHT, '-inf', now, 'LIMIT', 0, 20)) do
    local ticket = load(id)
    if not ticket then call('ZREM', INFLIGHT, id)
    elseif ticket.state == 'r' then                         -- whether it still runs, only its row can tell
      owe(O, -unseen(ticket))
      leave_inflight(id, ticket)
      ticket.state = 'l'
      store(id, ticket)
      lost[#lost + 1] = id
    elseif ticket.cancelled then drop_unstarted(id, ticket)
    else back(id, ticket, 0, 0, 0) end
  end
  return lost
end
-- The first who may go; those at their own limit step aside. Third value: there were too many of them for one call.
local function head()
  for _ = 1, 100 do
    local found = call('ZRANGE', ORDER, 0, 0)[1]
    if not found then return nil, nil, false end
    local id = found:sub(15)
    local ticket = load(id)
    if ticket and counted(ticket.user, 'n') < num('user_conc', math.huge) then return id, ticket end
    call('ZREM', ORDER, found)
    if ticket then park(id, ticket) end
  end
  return nil, nil, true
end
local function admit(id, ticket)
  leave_queue(id, ticket)
  count(ticket.user, 'n', 1)
  put('admissions', num('admissions') + 1)
  ticket.state, ticket.admission, ticket.admitted_at = 'h', num('admissions'), now
  reserve(ticket)
  store(id, ticket)
  call('ZADD', INFLIGHT, now + num('handoff', 5000), id)
  if ticket.tag > num('virtual') then
    put('virtual', ticket.tag)
    call('ZREMRANGEBYSCORE', FINISH, '-inf', ticket.tag)
  end
  if state.breaker_until then put('probe', id) end
  put('used_at', now)
end
local function wake(id, admission)                         -- wake_ups.py made the message
  local number = format('%.0f', admission)
  local letter = LETTER:gsub('@ticket@', id):gsub([[\"@admission@\"]], number):gsub('@admission@', number)
  call('LPUSH', WORKERS, letter)
end
local function start_ramp()
  if state.ramp_at or num('ramp_start', 1) >= 1 or now - num('used_at', now) < IDLE_MS then return end
  put('ramp_at', now)
  put('used_at', now)
  ramped = num('ramp_start')
  speed = multiplier() * ramped
  for _, budget in ipairs(ALL) do
    if state[budget.cap] then put(budget.level, min(cap(budget), num(budget.level))) end
  end
end
local function drain(limit)
  local lost = heal()
  local admitted, at, why = {}, 0, ''
  if call('ZCARD', ORDER) > 0 then start_ramp() end
  while call('ZCARD', ORDER) > 0 do
    if #admitted >= 2 * limit then why, at = 'more', now; break end
    local id, ticket, more = head()
    if not id then
      if more then why, at = 'more', now end
      break
    end
    local reason, till = closed(id)
    if not reason then reason, till = short_of(ticket) end
    if reason then why, at = reason, till; break end
    admit(id, ticket)
    if LETTER then wake(id, ticket.admission) end
    admitted[#admitted + 1] = id
    admitted[#admitted + 1] = ticket.admission
  end
  return {admitted, at > 0 and max(0, floor(at - now)) or -1, why, lost, LETTER and 1 or 0}
end

-- `limit`: how many may start because of this operation; nil: it cannot make anybody start.
local function reply(status, result, limit)
  local drained = limit and drain(limit) or {{}, -1, '', {}, 0}
  rest()
  save()
  collectgarbage('setpause', 200)
  return {status, result or {}, drained}
end

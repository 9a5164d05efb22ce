-- Part 3: a running ticket. An admission is good for one start; whoever comes with another one is FENCED.
-- start    ticket admission lease_ms holder limit → OK · FENCED · CANCELLED · LATER {why}: back in its place, the lane closed
--          meanwhile. The same holder may repeat it after a lost reply.
-- beat     lease_ms (ticket admission produced)… → OK {1 or 0 (fenced), …}: renews leases, charges what was produced
-- settle   ticket admission input output cost good limit → OK · FENCED · GONE; '' for a number that nobody knows
-- requeue  ticket admission requests input output penalty wait_ms factor jitter_ms budget limit → OK · FENCED · GONE
--          back to the same place. admission 0: its row says so. requests, input, output: what the provider charged.
--          penalty: none · limit (429; wait_ms 0 if it did not say) · overload. budget: r, i, o if known to be empty.
local function revive(id, ticket, lease)                    -- a lease ran out, its worker did not die
  if ticket.state == 'l' then
    count(ticket.user, 'n', 1)
    ticket.state = 'r'
    owe(O, unseen(ticket))
  end
  call('ZADD', INFLIGHT, now + lease, id)
end

if OP == 'start' then
  local id, admission, lease, holder = ARGV[2], arg(3), arg(4), ARGV[5]
  local ticket = load(id)
  if not mine(ticket, admission) then return reply('FENCED') end
  if ticket.state ~= 'h' then
    return reply(ticket.state == 'r' and ticket.holder == holder and 'OK' or 'FENCED')
  end
  if ticket.cancelled then
    drop_unstarted(id, ticket)
    return reply('CANCELLED', nil, arg(6))
  end
  local why = closed(id)
  if why then
    back(id, ticket, 0, 0, 0)
    return reply('LATER', {why})
  end
  if state.breaker_until then put('probe', id) end
  ticket.state, ticket.holder = 'r', holder
  store(id, ticket)
  call('ZADD', INFLIGHT, now + lease, id)
  return reply('OK')

elseif OP == 'beat' then
  local lease, answers = arg(2), {}
  for n = 3, #ARGV, 3 do
    local id, ticket = ARGV[n], load(ARGV[n])
    local known = mine(ticket, arg(n + 1)) and (ticket.state == 'r' or ticket.state == 'l')
    if known then
      revive(id, ticket, lease)
      produce(ticket, arg(n + 2))
      store(id, ticket)
    end
    answers[#answers + 1] = known and 1 or 0
  end
  return reply('OK', answers)

elseif OP == 'settle' then
  local id, limit = ARGV[2], arg(8)
  local ticket = load(id)
  if not ticket then return reply('GONE', nil, limit) end
  if not mine(ticket, arg(3)) then return reply('FENCED', nil, limit) end
  if ticket.state == 'h' then
    drop_unstarted(id, ticket)
    return reply('OK', nil, limit)
  end
  arrive(id, ticket)
  if ticket.state == 'l' then revive(id, ticket, 0) end
  local input, output = arg(4) or ticket.input, arg(5) or ticket.charged
  if state.reserve_max then input, output = max(input, ticket.input), max(output, ticket.charged) end
  close_account(ticket, 1, input, output)
  if ARGV[7] == '1' then succeed(id) end
  leave_inflight(id, ticket)
  correct_finish(ticket, arg(6) or ticket.cost)
  note('s', whole(now), whole(now - ticket.admitted_at), whole(ticket.output), whole(arg(5) or ticket.charged))
  drop(id)
  return reply('OK', nil, limit)

elseif OP == 'requeue' then
  local id, admission, penalty, wait, jitter, limit = ARGV[2], arg(3), ARGV[7], arg(8), arg(10), arg(12)
  local ticket = load(id)
  if penalty == 'limit' then pause(wait, arg(9), jitter, ARGV[11])
  elseif penalty == 'overload' then overload(ticket, wait, jitter) end
  if not ticket then return reply('GONE', nil, limit) end
  if admission ~= 0 and not mine(ticket, admission) then return reply('FENCED', nil, limit) end
  if waits(ticket) then return reply('OK', nil, limit) end
  local requests, input, output = arg(4), arg(5), arg(6)
  if state.reserve_max and ticket.state ~= 'h' then         -- a failed request counts in full
    requests, input, output = 1, max(input, ticket.input), max(output, ticket.charged)
  end
  back(id, ticket, requests, input, output)
  return reply('OK', nil, limit)
end
return redis.error_reply('unknown operation ' .. OP)

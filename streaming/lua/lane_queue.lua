-- Part 3: the queue's operations.
-- enqueue  ticket user input output cost weight accepted limit → KNOWN, OK {state, tag, seq, ahead} · LANE_FULL, USER_FULL {n}
--          `accepted`: its row is committed, so it is never refused
-- cancel   ticket limit → CANCELLED (gave its place back) · FLAGGED (handed over: start will refuse) · RUNNING · GONE
-- remove   ticket limit → OK · GONE; whatever its state: its row has ended and nobody else will settle it
-- drain    limit
-- preview  user → OK {tag a new ticket would get, user's waiting, user's in flight, all waiting, most of a user's waiting,
--          most of all waiting (-1: no such limit)}
-- places   ticket… → OK {state, tag, seq, ahead, …}; state '' for an unknown one, ahead -1 if it is not in the order
local function place(id, ticket)
  local ahead = ticket.state == 'q' and call('ZRANK', ORDER, member(id, ticket)) or -1
  return {ticket.state, ticket.tag, ticket.seq, ahead}
end
local function give_up(id, ticket)                          -- a waiting ticket leaves for good
  leave_queue(id, ticket)
  if ticket.state == 'q' then unpark(ticket.user) end
  correct_finish(ticket, 0)
  note('w', whole(now), whole(now - ticket.queued_at), 1, id)
  drop(id)
end

if OP == 'enqueue' then
  local id, user, limit = ARGV[2], ARGV[3], arg(9)
  local ticket = load(id)
  if ticket then return reply('KNOWN', place(id, ticket), limit) end
  if ARGV[8] ~= '1' then
    local all, own = waiting(), counted(user, 'q')
    if all >= num('queue_max', math.huge) then return reply('LANE_FULL', {all}, limit) end
    if own >= num('user_queue', math.huge) then return reply('USER_FULL', {own}, limit) end
  end
  put('seq', num('seq') + 1)
  ticket = {user = user, input = arg(4), output = arg(5), cost = arg(6), weight = arg(7), tag = next_tag(user),
            seq = num('seq'), queued_at = now}
  move_finish(user, ticket.tag + span(ticket, ticket.cost))
  line_up(id, ticket)
  note('a', whole(now), whole(span(ticket, ticket.cost)), user)
  return reply('OK', place(id, ticket), limit)

elseif OP == 'cancel' then
  local id, limit = ARGV[2], arg(3)
  local ticket = load(id)
  if not ticket then return reply('GONE', nil, limit) end
  if waits(ticket) then
    give_up(id, ticket)
    return reply('CANCELLED', nil, limit)
  end
  if ticket.state ~= 'h' then return reply('RUNNING', nil, limit) end
  ticket.cancelled = 1
  store(id, ticket)
  return reply('FLAGGED', nil, limit)

elseif OP == 'remove' then
  local id, limit = ARGV[2], arg(3)
  local ticket = load(id)
  if not ticket then return reply('GONE', nil, limit) end
  if waits(ticket) then give_up(id, ticket)
  elseif ticket.state == 'h' then drop_unstarted(id, ticket)
  else
    if ticket.state == 'r' then
      close_account(ticket, 1, ticket.input, ticket.charged)
      leave_inflight(id, ticket)
    end
    drop(id)
  end
  return reply('OK', nil, limit)

elseif OP == 'drain' then
  return reply('OK', nil, arg(2))

elseif OP == 'preview' then
  local user = ARGV[2]
  return reply('OK', {
    next_tag(user), counted(user, 'q'), counted(user, 'n'), waiting(), num('user_queue', -1), num('queue_max', -1),
  })

elseif OP == 'places' then
  local found = {}
  for n = 2, #ARGV do
    local ticket = load(ARGV[n])
    for _, value in ipairs(ticket and place(ARGV[n], ticket) or {'', 0, 0, -1}) do found[#found + 1] = value end
  end
  return reply('OK', found)
end
return redis.error_reply('unknown operation ' .. OP)

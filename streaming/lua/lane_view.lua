-- Part 3: everything an estimate needs, of one moment.
-- snapshot  depth events → OK {now, epoch, virtual tag, waiting in the order, parked, why closed, closed until, blocked,
--           order, its sentence (`hold`), slots or -1, user's slots or -1, events, {budget, level, cap, rate now, …}, {user, age ms, …} in flight,
--           {ticket, tag, seq, user, input, output, queued_at, …} of the first `depth`, the same of the parked ones,
--           {rank, tag, seq, …} of ever fewer beyond `depth`, {user, tag of the next ticket, …} of those beyond the
--           lane's own tag, {history since `events`, oldest first}}
-- glance     → OK {the same as far as events, {budget, level, cap, rate now, …}, in flight}: enough to see that nothing
--           changed, for a fraction of the cost
-- levels     → OK {now, why closed, closed until, blocked, order, waiting in the order, parked, in flight, slots or -1,
--           {budget, level, cap, rate now, …}}: what it is like just now, without anybody in particular
local function exact(value) return format('%.17g', value) end
local function bounded(value) return value < math.huge and value or -1 end
local function push(list, ...)
  for _, value in ipairs({...}) do list[#list + 1] = value end
end
local function loaded(ids)
  return #ids > 0 and call('HMGET', TICKETS, unpack(ids)) or {}
end
local function described(ids)
  local found, packed, at = {}, loaded(ids), 0
  for n, id in ipairs(ids) do
    if packed[n] then
      local ticket = cmsgpack.unpack(packed[n])
      found[at + 1], found[at + 2], found[at + 3], found[at + 4] = id, ticket.tag, ticket.seq, ticket.user
      found[at + 5], found[at + 6], found[at + 7] = ticket.input, ticket.output, ticket.queued_at
      at = at + 7
    end
  end
  return found
end
local function after(members, pattern)
  for n, found in ipairs(members) do members[n] = found:match(pattern) end
  return members
end
local function budgets()
  local found = {}
  for _, budget in ipairs(ALL) do
    if state[budget.cap] then
      push(found, budget.letter, exact(num(budget.level)), exact(cap(budget)), exact(num(budget.rate) * speed))
    end
  end
  return found
end
local function running()
  local found = {}
  for _, packed in ipairs(loaded(call('ZRANGE', INFLIGHT, 0, 999))) do
    if packed then
      local ticket = cmsgpack.unpack(packed)
      push(found, ticket.user, now - ticket.admitted_at)
    end
  end
  return found
end
local function beyond(depth, all)
  local found, rank = {}, depth
  while rank < all do
    local at = call('ZRANGE', ORDER, rank, rank, 'WITHSCORES')
    push(found, rank, tonumber(at[2]), tonumber(at[1]:sub(1, 13)))
    if rank == all - 1 then break end
    rank = min(all - 1, floor(rank * 1.15) + 1)
  end
  return found
end
local function head(...)
  local why, till = closed('')
  return {
    now, state.epoch, num('virtual'), call('ZCARD', ORDER), call('ZCARD', PARKED), why or '', floor(till),
    state.blocked or '', held() or '', held() and state.held_why or '',
    bounded(slots()), bounded(num('user_conc', math.huge)), num('events'), budgets(), ...
  }
end
local function news(known)
  local missing = num('events') - known
  if missing < 0 or missing > HISTORY_MAX then missing = HISTORY_MAX end
  local found, oldest_first = missing > 0 and call('LRANGE', HISTORY, 0, missing - 1) or {}, {}
  for n = #found, 1, -1 do oldest_first[#oldest_first + 1] = found[n] end
  return oldest_first
end

if OP == 'levels' then
  local why, till = closed('')
  return reply('OK', {
    now, why or '', floor(till), state.blocked or '', held() or '', call('ZCARD', ORDER), call('ZCARD', PARKED),
    call('ZCARD', INFLIGHT), bounded(slots()), budgets(),
  })

elseif OP == 'glance' then
  return reply('OK', head(call('ZCARD', INFLIGHT)))

elseif OP == 'snapshot' then
  local depth, known = arg(2), arg(3)
  return reply('OK', head(
    running(), described(after(call('ZRANGE', ORDER, 0, depth - 1), '^%d+:(.+)$')),
    described(after(call('ZRANGE', PARKED, 0, depth - 1), '|%d+|%d+:(.+)$')),
    beyond(depth, call('ZCARD', ORDER)), call('ZRANGE', FINISH, 0, 499, 'WITHSCORES'), news(known)
  ))
end
return redis.error_reply('unknown operation ' .. OP)

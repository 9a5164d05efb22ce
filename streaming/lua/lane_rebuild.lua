-- Part 3: a lane is built from rows, under a new epoch; also after Redis lost its memory. Until `close` every other
-- operation answers LOST, so nobody is admitted by a half-built lane.
-- open     token idle_ms digest field value … (as configure) → OK · EXISTS (it stands) · BUSY (another one builds)
--          buckets hold what `idle_ms` of rest would have made of empty ones
-- restore  token lease_ms (w or r, ticket user input output cost weight tag seq admission queued_at admitted_at produced)…
--          → OK {1 or 0 (it is there), …} · FENCED · LOST; token '' adds to a standing lane. Running ones first.
--          tag '' for a ticket that never got its place
-- close    token limit → OK · FENCED
-- page     cursor count → OK {next cursor, ticket, state, age of its last move in ms, …}: every ticket, to compare with rows
local FIELDS = 13

local function restore_waiting(id, ticket, place)
  ticket.tag = place.tag or next_tag(ticket.user)
  ticket.seq = place.seq or num('seq') + 1
  ticket.admitted_at = nil
  line_up(id, ticket)
end
local function restore_running(id, ticket, place, admission, produced, lease)
  ticket.state, ticket.tag, ticket.seq, ticket.admission = 'r', place.tag or num('virtual'), place.seq or 0, admission
  ticket.charged, ticket.produced, ticket.arrived = max(ticket.output, produced), produced, 1
  owe(O, unseen(ticket))
  count(ticket.user, 'n', 1)
  call('ZADD', INFLIGHT, now + lease, id)
  store(id, ticket)
end
local function restore(n, lease)
  local id = ARGV[n + 1]
  if call('HEXISTS', TICKETS, id) == 1 then return 0 end
  local ticket = {user = ARGV[n + 2], input = arg(n + 3), output = arg(n + 4), cost = arg(n + 5), weight = arg(n + 6),
                  queued_at = arg(n + 10), admitted_at = arg(n + 11)}
  local place = {tag = arg(n + 7), seq = arg(n + 8)}
  if ARGV[n] == 'r' then restore_running(id, ticket, place, arg(n + 9), arg(n + 12), lease)
  else restore_waiting(id, ticket, place) end
  put('seq', max(num('seq'), ticket.seq))
  put('admissions', max(num('admissions'), arg(n + 9) or 0))
  move_finish(ticket.user, max(finish_of(ticket.user), ticket.tag + span(ticket, ticket.cost)))
  return 1
end

if OP == 'open' then
  local token = ARGV[2]
  if state.epoch then return {'EXISTS'} end
  if state.building and state.building ~= token and now - num('building_at') < 10000 then return {'BUSY'} end
  call('DEL', unpack(KEYS))
  state = {clock = state.clock}
  if state.clock then put('clock', state.clock) end
  put('building', token); put('building_at', now); put('updated', now); put('used_at', now - arg(3))
  put('admissions', now)                                    -- so that no number is ever given twice
  put('config', ARGV[4])
  configure(5)
  save()
  return {'OK'}

elseif OP == 'restore' then
  local token = ARGV[2]
  if token == '' and not state.epoch then return {'LOST'} end
  if token ~= '' and state.building ~= token then return {'FENCED'} end
  local answers = {}
  for n = 4, #ARGV, FIELDS do answers[#answers + 1] = restore(n, arg(3)) end
  if token == '' then return reply('OK', answers) end
  put('building_at', now)
  save()
  return {'OK', answers}

elseif OP == 'close' then
  if state.building ~= ARGV[2] then return {'FENCED'} end
  put('epoch', ARGV[2]); put('building', nil); put('building_at', nil)
  local first = call('ZRANGE', ORDER, 0, 0, 'WITHSCORES')
  put('virtual', tonumber(first[2] or 0))                   -- newcomers stand behind those who wait at the head's tag
  return reply('OK', nil, arg(3))

elseif OP == 'page' then
  local scanned = call('HSCAN', TICKETS, ARGV[2], 'COUNT', ARGV[3])
  local found = {scanned[1]}
  for n = 1, #scanned[2], 2 do
    local ticket = cmsgpack.unpack(scanned[2][n + 1])
    found[#found + 1] = scanned[2][n]
    found[#found + 1] = ticket.state
    found[#found + 1] = now - max(ticket.queued_at or 0, ticket.admitted_at or 0)
  end
  return reply('OK', found)
end
return redis.error_reply('unknown operation ' .. OP)

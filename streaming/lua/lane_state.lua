-- Part 1 of every lane script: the loader joins lane_state, lane_moves and one file of operations.
-- A lane is one provider, key and model group that share limits. All its keys carry one hash tag.
-- KEYS  1 state (hash)     the lane's numbers, below          2 order (zset)     "<seq>:<ticket>" → tag: may be next
--       3 parked (zset)    "<user>|<tag>|<seq>:<ticket>", score 0: waits for an end of the user's own
--       4 inflight (zset)  ticket → end of its lease, ms      5 tickets (hash)   ticket → msgpack map
--       6 users (hash)     "<user>:n" in flight, ":q" waiting 7 finish (zset)    user → tag of the user's next ticket
--       8 history (list)   newest first, see `note`
--       9 workers (list)   only with a last argument more: the message that wakes a worker up, with stand-ins for a ticket
--                          and its admission; the drain writes one for each that may start
-- ARGV  1 operation   2… its arguments, named at each operation
-- Returns {'LOST'} if the lane has no epoch (Redis lost its memory, or it was never built): nothing was done.
-- Otherwise {status, result, drained}; drained = {{ticket, admission, …}, ms until the next may start or -1, why, {lost…},
-- 1 if workers were told}.
--
-- State: epoch · clock (only under virtual time) · updated · config (digest) · virtual (tag served last) · seq ·
--   admissions · used_at · events · conc, slots, conc_soft, successes · user_conc, user_queue, queue_max · handoff ·
--   reserve_max · burst, pace, adopt_higher · blocked · held, held_why, held_until (an administrator's order) · pause_until, limit_wait, refusals (pauses since a request was served) · mult, mult_at · ramp_start, ramp_at ·
--   breaker_until, breaker_at, breaker_wait, probe · per budget r (requests), i (input), o (output tokens): _cap (absent:
--   unlimited), _cap0, _rate per s, _limit, _level (below 0: debt), _out (reserved, not yet seen by the provider),
--   _seen, _seen_n, _above (learning)
-- All times are ms. Tags are whole numbers: one unit of cost at weight 1 is SCALE.
local STATE, ORDER, PARKED, INFLIGHT, TICKETS, USERS, FINISH, HISTORY, WORKERS = unpack(KEYS)
local LETTER = WORKERS and table.remove(ARGV)
local call, format, floor, min, max = redis.call, string.format, math.floor, math.min, math.max
local OP, SCALE, HISTORY_MAX, TTL_MS, IDLE_MS = ARGV[1], 1000, 1500, 604800000, 300000

-- Each call leaves some 16 KB behind. Lua would let them double its memory and then stop one call in nineteen for three
-- times as long; in small portions nobody notices. Scripts that leave little keep its own pace: see `reply`.
collectgarbage('setpause', 120)
collectgarbage('step', 0)

local state, changed = {}, {}
do
  local flat = call('HGETALL', STATE)
  for n = 1, #flat, 2 do state[flat[n]] = flat[n + 1] end
end
if not state.epoch and OP ~= 'open' and OP ~= 'restore' and OP ~= 'close' then return {'LOST'} end

local function num(field, default) return tonumber(state[field]) or default or 0 end
local function put(field, value)                            -- nil removes the field
  state[field] = value
  changed[field] = true
end
local function arg(n) return tonumber(ARGV[n]) end

local now = tonumber(state.clock)
if not now then
  local time = call('TIME')
  now = time[1] * 1000 + floor(time[2] / 1000)
end

-- Budgets.

local ALL = {}
for n, letter in ipairs({'r', 'i', 'o'}) do
  ALL[n] = {letter = letter, cap = letter .. '_cap', rate = letter .. '_rate', level = letter .. '_level',
            out = letter .. '_out'}
end

-- After five idle minutes a sharp rise would earn a 429 ("acceleration limits"): speed starts low, doubles each minute.
local function ramp()
  local from = tonumber(state.ramp_at)
  if not from then return 1 end
  local factor = num('ramp_start', 1) * 2 ^ floor((now - from) / 60000)
  if factor < 1 then return factor end
  put('ramp_at', nil)
  return 1
end

-- Own share of the rate after 429s that no header explained; a step back up per clean minute.
local function multiplier()
  local mult = num('mult', 1)
  local minutes = floor((now - num('mult_at', now)) / 60000)
  if mult < 1 and minutes > 0 then
    mult = min(1, mult + 0.05 * minutes)
    put('mult', mult < 1 and mult or nil)
    put('mult_at', mult < 1 and num('mult_at') + minutes * 60000 or nil)
  end
  return mult
end

local ramped = ramp()
local speed = multiplier() * ramped

local function cap(budget)
  return max(budget.letter == 'r' and 1 or 0, num(budget.cap) * ramped)
end

local function refill()
  local elapsed = max(0, now - num('updated', now))
  for _, budget in ipairs(ALL) do
    if state[budget.cap] then
      put(budget.level, min(cap(budget), num(budget.level) + elapsed * num(budget.rate) * speed / 1000))
    end
  end
  put('updated', now)
end
refill()

local function take(budget, amount)                         -- negative: give back
  if state[budget.cap] and amount ~= 0 then put(budget.level, min(cap(budget), num(budget.level) - amount)) end
end
local function owe(budget, change)                          -- what the provider has yet to see of our reservations
  if change ~= 0 then put(budget.out, max(0, num(budget.out) + change)) end
end

-- History: "a <at> <span of its tag> <user>" an arrival · "w <at> <waited> <gave up: 0, 1> <ticket>" the end of a wait ·
-- "s <at> <service> <tokens estimated> <tokens produced>" an end of service · "p <at> <ms>" the provider closes the lane.
local function note(...)
  call('LPUSH', HISTORY, table.concat({...}, ' '))
  call('LTRIM', HISTORY, 0, HISTORY_MAX - 1)
  put('events', num('events') + 1)
end
local function whole(value) return format('%.0f', value) end

local function save()
  local words, gone = {}, {}
  for field in pairs(changed) do
    if state[field] == nil then gone[#gone + 1] = field
    else words[#words + 1] = field; words[#words + 1] = state[field] end
  end
  if #gone > 0 then call('HDEL', STATE, unpack(gone)) end
  if #words > 0 then call('HSET', STATE, unpack(words)) end
  for n = 1, 8 do call('PEXPIRE', KEYS[n], TTL_MS) end
end

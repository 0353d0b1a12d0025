/**
 * The scripts that run inside Redis. Each is atomic; none has a rollback, so all decisions come before the first write.
 * Arguments are pairs of name and value; an absent name is false. Documents, records and answers are opaque bytes here.
 *
 * Without `allow-oom`, Redis refuses a writing script before it runs when the memory of Redis is full.
 */
import { createHash } from 'node:crypto';

export interface Script {
  readonly lua: string;
  readonly sha: string;
}

/** KEYS: context, log, removed, members, ids, expiry, idle, age, length, members (the index), answers. */
const WRITE_PRELUDE = `
local arg = {}
for i = 1, #ARGV, 2 do arg[ARGV[i]] = ARGV[i + 1] end
local context, log, removed, members, ids, expiries, idle, age, length, due, answers = unpack(KEYS)
local fields = redis.call('HMGET', context, 'at', 'nonce', 'head', 'used', 'expiry', 'thin', 'next', 'turn')
local at, nonce, head, used, expiry, thin, following, turn = unpack(fields)

-- The stamp of the members that expire, as it stands in the head (record-format.ts); '' where none does.
local stamp = ''
if head and string.byte(head, 2) >= 9 then stamp = string.sub(head, 60, 67) end
-- When a member expires; 0 where it is not stored.
local function timeOf(number)
  return tonumber(string.match(redis.call('HGET', members, number) or '', '^%d+') or 0)
end

-- Whether this write, which was sent before, has happened; nil where that can no longer be determined. A record has its
-- writer's nonce, a removal leaves it behind for a minute; what is neither leaves no trace.
local function happened()
  if nonce == arg.nonce then return true end
  local grave = redis.call('GET', removed)
  if grave == arg.nonce then return true end
  local version, epoch = string.match(at or '', '^(%d+):([^:]*):')
  if epoch ~= arg.epoch then
    if grave and grave ~= arg.after then return nil end
    return false
  end
  if not arg.version then return false end
  if not arg.record then return nil end
  if tonumber(version) < tonumber(arg.version) then return false end
  local entry = redis.call('XRANGE', log, arg.version .. '-0', arg.version .. '-0')[1]
  if not entry then return nil end
  return entry[2][2] == arg.nonce
end

-- Why the write must not happen; nil where it may.
local function refusal()
  local first = arg.request and redis.call('HGET', answers, arg.request)
  if not first and arg.former then
    first = redis.call('HGET', answers, arg.former)
    -- Nothing else: that record belongs to another caller, under a name that only looks like this id.
    if first and string.byte(first, #arg.nonce + 1) ~= 1 then first = false end
  end
  if first and string.sub(first, 1, #arg.nonce) == arg.nonce then return {'committed'} end
  if first then return {'duplicate', first} end

  local stands = (at or '') == arg.expected
  -- A write that was sent before its predecessor was answered depends on that one, not on an identical write.
  if stands and arg.after then stands = arg.after == (at and nonce or redis.call('GET', removed)) end
  if stands and arg.at and at then stands = stamp == (arg.stamp_seen or '') end
  if stands and arg.ended then
    for _, each in ipairs(cjson.decode(arg.ended)) do
      if each[2] and timeOf(each[1]) > each[2] then stands = false end
    end
  end
  if stands and arg.expiry_seen then stands = arg.expiry_seen == expiry end
  if stands and arg.used_seen then stands = not expiry and tonumber(used) <= tonumber(arg.used_seen) end

  -- For a write with a request id, the answer above is stored if the write has happened.
  if arg.resent and not arg.request and (not stands or not at) then
    local done = happened()
    if done then return {'committed'} end
    if done == nil then return {'unknown'} end
  end
  if stands then return nil end
  return {'conflict', head or ''}
end

local function remember()
  if not arg.request then return end
  redis.call('HSET', answers, arg.request, arg.nonce .. arg.answer)
end

local function publish(message)
  redis.call('SPUBLISH', context, message)
  redis.call('SPUBLISH', ids, message)
end

`;

const REFUSE = `
local refused = refusal()
if refused then return refused end
`;

/**
 * A turn is the name of a server, with which its nonces begin, and the time of its end. No turn lasts for more than two
 * seconds: one that would last longer was taken before the clock of Redis was set back.
 */
const TURNS = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local function isOthers(turn, server)
  local name, ends = string.match(turn, '^(%S+) (%d+)$')
  if string.sub(server, 1, #name) == name then return false end
  local left = tonumber(ends) - now()
  return left > 0 and left <= 2000
end
`;

const WAIT_FOR_TURN = `${TURNS}
if turn and isOthers(turn, arg.nonce) then return {'conflict', head} end
`;

/**
 * nonce, expected (position or ''), at, epoch, version, head, used, id; perhaps after, resent, record with time,
 * snapshot, expiry, message, request with answer, and former; stamp_seen (8 bytes), due, renews (the stamp stays), set (JSON,
 * pairs of number and member), ended (JSON, pairs of number and time seen). The log comes first: should Redis refuse the entry,
 * nothing has happened.
 *
 * The indexes are always exact: checking whether an entry may stay would cost as much as moving it.
 */
const WRITE = `
if arg.record then
  redis.call('XADD', log, arg.version .. '-0', 'n', arg.nonce, 'r', arg.record, 't', arg.time)
  local records = redis.call('XLEN', log) + (thin or 0)
  local earlier = following and tonumber(arg.time) < tonumber(following)
  if earlier then redis.call('HSET', context, 'next', arg.time) end
  if records == 1 or earlier then
    redis.call('ZADD', age, following and not earlier and following or arg.time, arg.id)
  end
  if records > 1 then redis.call('ZADD', length, -records, arg.id) end
end
redis.call('HSET', context, 'at', arg.at, 'head', arg.head, 'used', arg.used)
-- Later writes do not depend on a write without a new version: the nonce stays that of the last version.
if arg.record or not at then redis.call('HSET', context, 'nonce', arg.nonce) end
if arg.snapshot then redis.call('HSET', context, 'snapshot', arg.snapshot, 'snapshotVersion', arg.version) end
if arg.expiry then
  redis.call('HSET', context, 'expiry', arg.expiry)
  redis.call('ZADD', expiries, arg.expiry, arg.id)
  if not expiry then redis.call('ZREM', idle, arg.id) end
else
  redis.call('ZADD', idle, arg.used, arg.id)
  if expiry then
    redis.call('HDEL', context, 'expiry')
    redis.call('ZREM', expiries, arg.id)
  end
end
if not at then redis.call('ZADD', ids, 0, arg.id) end
if stamp ~= '' and not arg.due then
  redis.call('UNLINK', members)
  redis.call('ZREM', due, arg.id)
elseif arg.due then
  if stamp == '' then redis.call('UNLINK', members) end
  redis.call('ZADD', due, arg.due, arg.id)
  for _, each in ipairs(arg.ended and cjson.decode(arg.ended) or {}) do redis.call('HDEL', members, each[1]) end
  for _, each in ipairs(arg.set and cjson.decode(arg.set) or {}) do
    local later = arg.renews and timeOf(each[1]) > tonumber(string.match(each[2], '^%d+'))
    if not later then redis.call('HSET', members, each[1], each[2]) end
  end
end
remember()
if arg.message then publish(arg.message .. (arg.record or '')) end
`;

/** nonce, expected, epoch, id; perhaps message, after, resent, expiry_seen, used_seen, request with answer, and former. */
const DROP = `
redis.call('UNLINK', context, log, members)
-- The prefix has no braces.
if thin then redis.call('UNLINK', (string.gsub(context, '}:c:', '}:t:', 1))) end
for _, index in ipairs({ids, expiries, idle, age, length, due}) do redis.call('ZREM', index, arg.id) end
-- Later writes do not depend on the removal of a missing context.
if at then redis.call('SET', removed, arg.nonce, 'PX', 60000) end
remember()
if arg.message then publish(arg.message) end
`;

export const COMMIT = script(`#!lua
${WRITE_PRELUDE}${REFUSE}${WAIT_FOR_TURN}${WRITE}
return {'committed'}
`);

/** The same for members whose time is over: it removes more than it writes. */
export const EXPIRE = script(`#!lua flags=allow-oom
${WRITE_PRELUDE}${REFUSE}${WRITE}
return {'committed'}
`);

export const REMOVE = script(`#!lua flags=allow-oom
${WRITE_PRELUDE}${REFUSE}${DROP}
return {'committed'}
`);

/**
 * KEYS: groups; ids, expiry, idle, age, length, members, answers; then context, log, removed, members for each act. ARGV: nonce,
 * ids of the contexts that move (JSON), a message for each of them, or '', how many groups are kept; then for each act
 * `write`, `drop` or `check`, whether the context moves (1 or 0), how many arguments follow, and those of COMMIT or
 * REMOVE. Answers as they do; of conflicts each id and head.
 *
 * All reasons for which Redis could refuse are checked before the first write.
 */
export const GROUP = script(`#!lua
local function look(KEYS, ARGV)
  ${WRITE_PRELUDE}${REFUSE}
  for _, index in ipairs({ids, expiries, idle, age, length, due}) do redis.call('ZCARD', index) end
  redis.call('HLEN', answers)
  redis.call('HLEN', members)
  local last = redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
  if arg.record and last and tonumber(string.match(last[1], '%d+')) >= tonumber(arg.version) then
    return redis.error_reply('WRONGTYPE the log goes on after the head')
  end
end
local function write(KEYS, ARGV)
  ${WRITE_PRELUDE}${WRITE}
end
local function drop(KEYS, ARGV)
  ${WRITE_PRELUDE}${DROP}
end

local groups, nonce, moving, message, kept = KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4]
redis.call('XLEN', groups)
local operations, k, i = {}, 9, 5
while i <= #ARGV do
  local last = i + 2 + tonumber(ARGV[i + 2])
  local keys = {KEYS[k], KEYS[k + 1], KEYS[k + 2], KEYS[k + 3], unpack(KEYS, 2, 8)}
  operations[#operations + 1] = {kind = ARGV[i], moves = ARGV[i + 1] == '1', keys = keys, args = {unpack(ARGV, i + 3, last)}}
  k, i = k + 4, last + 1
end

-- The result for one operation holds for all: they happen together.
local found, conflicts = {}, {'conflict'}
for _, act in ipairs(operations) do
  local refused = look(act.keys, act.args)
  if refused and refused.err then return refused end
  if refused and refused[1] == 'conflict' then
    for n = 1, #act.args, 2 do if act.args[n] == 'id' then conflicts[#conflicts + 1] = act.args[n + 1] end end
    conflicts[#conflicts + 1] = refused[2]
  elseif refused and not found[refused[1]] then
    found[refused[1]] = refused
  end
end
local refused = found.committed or found.duplicate or found.unknown
if refused then return refused end
if #conflicts > 1 then return conflicts end

for _, act in ipairs(operations) do
  if act.kind == 'write' then write(act.keys, act.args) end
  if act.kind == 'drop' then drop(act.keys, act.args) end
end
if message ~= '' then
  local last = redis.call('XREVRANGE', groups, '+', '-', 'COUNT', 1)[1]
  local number = string.format('%.0f', (last and tonumber(string.match(last[1], '%d+')) or 0) + 1)
  redis.call('XADD', groups, 'MAXLEN', kept, number .. '-0', 'n', nonce, 'ids', moving)
  for _, act in ipairs(operations) do
    if act.moves then redis.call('SPUBLISH', act.keys[1], message) end
  end
  redis.call('SPUBLISH', KEYS[2], message)
end
return {'committed'}
`);

/**
 * KEYS: groups, and the prefix of the keys of contexts; ARGV: where to continue in groups, ids. Answers the groups, the
 * ids together with those of the groups, and their heads, '' where the context does not exist.
 */
export const HEADS = script(`#!lua flags=no-writes
local groups, ids, seen, heads = redis.call('XRANGE', KEYS[1], ARGV[1], '+'), {}, {}, {}
local function add(id)
  if seen[id] then return end
  seen[id] = true
  ids[#ids + 1] = id
  heads[#heads + 1] = redis.call('HGET', KEYS[2] .. id, 'head') or ''
end
for i = 2, #ARGV do add(ARGV[i]) end
for _, group in ipairs(groups) do
  for _, id in ipairs(cjson.decode(group[2][4])) do add(id) end
end
return {groups, ids, heads}
`);

/** KEYS: contexts. Answers their heads, '' where there is none. */
export const HEADS_OF = script(`#!lua flags=no-writes
local heads = {}
for i, context in ipairs(KEYS) do heads[i] = redis.call('HGET', context, 'head') or '' end
return heads
`);

/** KEYS: sorted sets; ARGV: the number of arguments of each, then those of each one's ZRANGE. Answers a range of each. */
export const RANGES = script(`#!lua flags=no-writes
local ranges, each = {}, tonumber(ARGV[1])
for i, set in ipairs(KEYS) do
  ranges[i] = redis.call('ZRANGE', set, unpack(ARGV, 2 + (i - 1) * each, 1 + i * each))
end
return ranges
`);

/** KEYS: context, log, members, thinned. Answers the members: number, member, number, member ... */
export const MEMBERS = script(`#!lua flags=no-writes
return redis.call('HGETALL', KEYS[3])
`);

/** KEYS: a lease; ARGV: name of the server, milliseconds. Answers 1 or 0. */
export const LEASE = script(`#!lua
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`);

/** KEYS: context; ARGV: name of the server, milliseconds; 0: the turn ends. Answers 1, or 0 where another server has its turn. */
export const TURN = script(`#!lua flags=allow-oom
${TURNS}
local at, turn = unpack(redis.call('HMGET', KEYS[1], 'at', 'turn'))
if not at then return 1 end
if turn and isOthers(turn, ARGV[1]) then return 0 end
if ARGV[2] == '0' then redis.call('HDEL', KEYS[1], 'turn')
else redis.call('HSET', KEYS[1], 'turn', ARGV[1] .. ' ' .. string.format('%.0f', now() + ARGV[2])) end
return 1
`);

/** KEYS: a setting; ARGV: the text expected, the new one; '' for none. Answers 1 or 0; 1 also where it is so already. */
export const REPLACE = script(`#!lua flags=allow-oom
local text = redis.call('GET', KEYS[1]) or ''
if text == ARGV[2] then return 1 end
if text ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2]) end
return 1
`);

/**
 * KEYS: answers; ARGV: time, limit, cursor, bytes before the request (a nonce). Looks at some requests and removes
 * those made before the time. Answers the next cursor, '0' at the end, and how many went.
 */
export const FORGET = script(`#!lua flags=allow-oom
local before, limit, skip = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[4])
local reply = redis.call('HSCAN', KEYS[1], ARGV[3], 'COUNT', 200)
local old, found = {}, reply[2]
for i = 1, #found, 2 do
  local form, a, b, c, d, e, f = string.byte(found[i + 1], skip + 1, skip + 7)
  local at = form == 2 and ((((a * 256 + b) * 256 + c) * 256 + d) * 256 + e) * 256 + f
  if at and at < before then old[#old + 1] = found[i] end
end
if #old > limit then
  for i = 1, limit do redis.call('HDEL', KEYS[1], old[i]) end
  return {ARGV[3], limit}
end
for _, request in ipairs(old) do redis.call('HDEL', KEYS[1], request) end
return {reply[1], #old}
`);

/** KEYS: asked, answers; ARGV: time, limit. The same for what earlier releases remembered; answers how many went. */
export const FORGET_FORMER = script(`#!lua flags=allow-oom
local old = redis.call('ZRANGE', KEYS[1], '-inf', '(' .. ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, request in ipairs(old) do
  redis.call('ZREM', KEYS[1], request)
  redis.call('HDEL', KEYS[2], request)
end
return #old
`);

export const SCRIPTS: readonly Script[] = [
  COMMIT,
  EXPIRE,
  REMOVE,
  GROUP,
  HEADS,
  HEADS_OF,
  RANGES,
  MEMBERS,
  LEASE,
  TURN,
  REPLACE,
  FORGET,
  FORGET_FORMER,
];

export function script(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

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

/** KEYS: context, log, removed, ids, expiry, idle, age, length, asked, answers. */
const WRITE_PRELUDE = `
local arg = {}
for i = 1, #ARGV, 2 do arg[ARGV[i]] = ARGV[i + 1] end
local context, log, removed, ids, expiries, idle, age, length, asked, answers = unpack(KEYS)
local at, nonce, head, used, expiry = unpack(redis.call('HMGET', context, 'at', 'nonce', 'head', 'used', 'expiry'))

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

-- Why the write may not happen; nothing where it may.
local function refusal()
  local first = arg.request and redis.call('HGET', answers, arg.request)
  if first and string.sub(first, 1, #arg.nonce) == arg.nonce then return {'committed'} end
  if first then return {'duplicate', first} end

  local stands = (at or '') == arg.expected
  -- A write that was sent before its predecessor was answered builds upon that one, not upon its double.
  if stands and arg.after then stands = arg.after == (at and nonce or redis.call('GET', removed)) end
  if stands and arg.expiry_seen then stands = arg.expiry_seen == expiry end
  if stands and arg.used_seen then stands = tonumber(used) <= tonumber(arg.used_seen) end

  -- Of one that names itself the answer is there if it has happened.
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
  redis.call('ZADD', asked, arg.asked_at, arg.request)
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
 * nonce, expected (position or ''), at, epoch, version, head, used, id; optional: after, resent, record with time,
 * snapshot, expiry, message, request with answer and asked_at. The log comes first: where Redis refuses the entry,
 * nothing has been written.
 *
 * The indexes are always exact: checking whether an entry may stay would cost as much as moving it.
 */
const WRITE = `
if arg.record then
  redis.call('XADD', log, arg.version .. '-0', 'n', arg.nonce, 'r', arg.record, 't', arg.time)
  local records = redis.call('XLEN', log)
  if records == 1 then redis.call('ZADD', age, arg.time, arg.id) else redis.call('ZADD', length, -records, arg.id) end
end
redis.call('HSET', context, 'at', arg.at, 'head', arg.head, 'used', arg.used)
-- Without a new version this is no step that others build upon: it leaves the nonce to the last that was.
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
remember()
if arg.message then publish(arg.message .. (arg.record or '')) end
`;

/** nonce, expected, epoch, id; perhaps message, after, resent, expiry_seen, used_seen, request with answer and asked_at. */
const DROP = `
redis.call('UNLINK', context, log)
for _, index in ipairs({ids, expiries, idle, age, length}) do redis.call('ZREM', index, arg.id) end
-- Where nothing was, this is no step that others build upon.
if at then redis.call('SET', removed, arg.nonce, 'PX', 60000) end
remember()
if arg.message then publish(arg.message) end
`;

export const COMMIT = script(`#!lua
${WRITE_PRELUDE}${REFUSE}${WRITE}
return {'committed'}
`);

export const REMOVE = script(`#!lua flags=allow-oom
${WRITE_PRELUDE}${REFUSE}${DROP}
return {'committed'}
`);

/**
 * KEYS: groups; ids, expiry, idle, age, length, asked, answers; then context, log, removed for each operation. ARGV:
 * nonce, ids of the changed contexts (JSON), a message for each of them, or '', how many groups are kept; then for each
 * operation `write`, `drop` or `check`, whether the context changes (1 or 0), the number of arguments that follow, and
 * those of COMMIT or REMOVE. Answers as these do; for conflicts each id and head.
 *
 * All reasons for which Redis could refuse are checked before the first write.
 */
export const GROUP = script(`#!lua
local function look(KEYS, ARGV)
  ${WRITE_PRELUDE}${REFUSE}
  for _, index in ipairs({ids, expiries, idle, age, length, asked}) do redis.call('ZCARD', index) end
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
  local keys = {KEYS[k], KEYS[k + 1], KEYS[k + 2], unpack(KEYS, 2, 8)}
  operations[#operations + 1] = {kind = ARGV[i], moves = ARGV[i + 1] == '1', keys = keys, args = {unpack(ARGV, i + 3, last)}}
  k, i = k + 3, last + 1
end

-- What was found of one act holds for all: they happen together.
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

/** KEYS: context, log. Answers head, snapshot version, snapshot, records; nothing where the context does not exist. */
export const LOAD = script(`#!lua flags=no-writes
local head, version, snapshot = unpack(redis.call('HMGET', KEYS[1], 'head', 'snapshotVersion', 'snapshot'))
if not head then return false end
local records = {}
for i, entry in ipairs(redis.call('XRANGE', KEYS[2], (version and version + 1 or 1) .. '-0', '+')) do
  records[i] = entry[2][4]
end
return {head, version or '', snapshot or '', records}
`);

/**
 * KEYS: context, log; ARGV: version, limit, bytes at most. Answers the oldest version, and the records after `version`
 * where they are all retained. Counts slightly less than the size of each record, so that never too few records are
 * read, and at most four too many.
 */
export const DELTAS = script(`#!lua flags=no-writes
local at = redis.call('HGET', KEYS[1], 'at')
if not at then return {1} end
local after, limit, budget = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
local oldest = first and tonumber(string.match(first[1], '%d+')) or tonumber(string.match(at, '%d+')) + 1
if after < oldest - 1 then return {oldest} end
local records, bytes = {}, 0
local atOnce = budget < 2 ^ 53 - 1 and 4 or 100
while #records < limit and bytes <= budget do
  local from = string.format('%.0f-0', after + #records + 1)
  local entries = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', math.min(atOnce, limit - #records))
  if #entries == 0 then break end
  for _, entry in ipairs(entries) do
    records[#records + 1] = entry[2][4]
    bytes = bytes + math.max(0, #entry[2][4] - 128)
  end
end
return {oldest, records}
`);

/** KEYS: context, log, age, length; ARGV: id, version, maximum of records. Answers the number of dropped records. */
export const TRIM = script(`#!lua flags=allow-oom
local covered = redis.call('HGET', KEYS[1], 'snapshotVersion')
if not covered then return 0 end
local oldest = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
if not oldest then return 0 end
local first, most = tonumber(string.match(oldest[1], '%d+')), tonumber(ARGV[3])
local last = math.min(tonumber(ARGV[2]), tonumber(covered), first + most - 1)
local count = redis.call('XTRIM', KEYS[2], 'MINID', string.format('%.0f-0', last + 1))
if count == 0 then return 0 end
local records, next = redis.call('XLEN', KEYS[2]), redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
if next then redis.call('ZADD', KEYS[3], next[2][6], ARGV[1]) else redis.call('ZREM', KEYS[3], ARGV[1]) end
if records > 1 then redis.call('ZADD', KEYS[4], -records, ARGV[1]) else redis.call('ZREM', KEYS[4], ARGV[1]) end
return count
`);

/** KEYS: a lease; ARGV: name of the server, milliseconds. Answers 1 or 0. */
export const LEASE = script(`#!lua
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
`);

/** KEYS: asked, answers; ARGV: time, limit. Answers the number of forgotten requests. */
export const FORGET = script(`#!lua flags=allow-oom
local old = redis.call('ZRANGE', KEYS[1], '-inf', '(' .. ARGV[1], 'BYSCORE', 'LIMIT', 0, ARGV[2])
for _, request in ipairs(old) do
  redis.call('ZREM', KEYS[1], request)
  redis.call('HDEL', KEYS[2], request)
end
return #old
`);

export const SCRIPTS: readonly Script[] = [COMMIT, REMOVE, GROUP, HEADS, LOAD, DELTAS, TRIM, LEASE, FORGET];

function script(lua: string): Script {
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}

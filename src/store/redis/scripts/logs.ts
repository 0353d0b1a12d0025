/**
 * The scripts that read, trim and thin the log of a context, under the rules of contexts.ts. A stream cannot replace an entry, so
 * records are moved from its front to a sorted set before they are replaced; later records are always in the stream.
 */
import { type Script, script } from './contexts.js';

/** KEYS: context, log, members, thinned. Answers head, snapshot version, snapshot, records, members; nothing where there is no context. */
export const LOAD = script(`#!lua flags=no-writes
local head, version, snapshot = unpack(redis.call('HMGET', KEYS[1], 'head', 'snapshotVersion', 'snapshot'))
if not head then return false end
local records = {}
for i, entry in ipairs(redis.call('XRANGE', KEYS[2], (version and version + 1 or 1) .. '-0', '+')) do
  records[i] = entry[2][4]
end
return {head, version or '', snapshot or '', records, redis.call('HGETALL', KEYS[3])}
`);

/**
 * KEYS: context, log, members, thinned; ARGV: version, limit, bytes at most. Answers the oldest version, and the records after `version`
 * where they are all retained. Counts slightly less than the size of each record, so that never too few records are
 * read, and at most four too many.
 */
export const DELTAS = script(`#!lua flags=no-writes
local at, thin = unpack(redis.call('HMGET', KEYS[1], 'at', 'thin'))
if not at then return {1} end
local after, limit, budget = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local first = redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', 1)[1]
local oldest = first and tonumber(string.match(first[1], '%d+')) or tonumber(string.match(at, '%d+')) + 1
if thin then oldest = tonumber(redis.call('ZRANGE', KEYS[4], 0, 0, 'WITHSCORES')[2] or oldest) end
if after < oldest - 1 then return {oldest} end
local records, bytes = {}, 0
local atOnce = budget < 2 ^ 53 - 1 and 4 or 100
local function add(record)
  records[#records + 1] = record
  bytes = bytes + math.max(0, #record - 128)
end
while thin and #records < limit and bytes <= budget do
  local most = math.min(atOnce, limit - #records)
  local range = {string.format('(%.0f', after), '+inf', 'BYSCORE', 'LIMIT', 0, most, 'WITHSCORES'}
  local entries = redis.call('ZRANGE', KEYS[4], unpack(range))
  if #entries == 0 then break end
  for i = 1, #entries, 2 do add(entries[i]) end
  after = tonumber(entries[#entries])
end
while #records < limit and bytes <= budget do
  local from = string.format('%.0f-0', after + 1)
  local entries = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', math.min(atOnce, limit - #records))
  if #entries == 0 then break end
  for _, entry in ipairs(entries) do add(entry[2][4]) end
  after = tonumber(string.match(entries[#entries][1], '%d+'))
end
return {oldest, records}
`);

/**
 * KEYS: context, log, thinned, age, length; ARGV: id, version, maximum of records. Answers the number of dropped records. What
 * THIN has set for the index of ages no longer holds then.
 */
export const TRIM = script(`#!lua flags=allow-oom
local context, log, thinned, age, length = unpack(KEYS)
local covered, thin = unpack(redis.call('HMGET', context, 'snapshotVersion', 'thin'))
if not covered then return 0 end
local upTo, most, count = math.min(tonumber(ARGV[2]), tonumber(covered)), tonumber(ARGV[3]), 0
if thin then
  count = math.min(most, redis.call('ZCOUNT', thinned, '-inf', string.format('%.0f', upTo)))
  if count > 0 then redis.call('ZREMRANGEBYRANK', thinned, 0, count - 1) end
  thin = thin - count
  if thin > 0 then redis.call('HSET', context, 'thin', thin) else redis.call('HDEL', context, 'thin') end
end
local oldest = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
if oldest and count < most and (thin or 0) == 0 then
  local last = math.min(upTo, tonumber(string.match(oldest[1], '%d+')) + most - count - 1)
  count = count + redis.call('XTRIM', log, 'MINID', string.format('%.0f-0', last + 1))
end
if count == 0 then return 0 end
redis.call('HDEL', context, 'next')
local records, first = redis.call('XLEN', log) + (thin or 0), redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
local time = first and first[2][6]
-- The second number of a record (record-format.ts).
if thin and thin > 0 then time = string.format('%.0f', (struct.unpack('>d', redis.call('ZRANGE', thinned, 0, 0)[1], 12))) end
if time then redis.call('ZADD', age, time, ARGV[1]) else redis.call('ZREM', age, ARGV[1]) end
if records > 1 then redis.call('ZADD', length, -records, ARGV[1]) else redis.call('ZREM', length, ARGV[1]) end
return count
`);

/**
 * KEYS: context, log, thinned; ARGV: epoch, version, maximum of records, bytes. Moves the oldest records, up to the version and
 * not above the snapshot, from the log to where they can be replaced: until they have the bytes, read four at a time. Answers
 * their number; 0: there are no more.
 */
export const LOOSEN = script(`#!lua flags=allow-oom
local context, log, thinned = unpack(KEYS)
local at, covered, thin = unpack(redis.call('HMGET', context, 'at', 'snapshotVersion', 'thin'))
if not covered or string.match(at, '^%d+:([^:]*):') ~= ARGV[1] then return 0 end
local upTo = string.format('%.0f-0', math.min(tonumber(ARGV[2]), tonumber(covered)))
local count, bytes, last = 0, 0, nil
while count < tonumber(ARGV[3]) and bytes < tonumber(ARGV[4]) do
  local entries = redis.call('XRANGE', log, last and string.format('%.0f-0', last + 1) or '-', upTo, 'COUNT', 4)
  if #entries == 0 then break end
  -- An earlier release does not remove it with its context.
  if count == 0 and not thin then redis.call('UNLINK', thinned) end
  for _, entry in ipairs(entries) do
    last = tonumber(string.match(entry[1], '%d+'))
    redis.call('ZADD', thinned, string.format('%.0f', last), entry[2][4])
    count, bytes = count + 1, bytes + #entry[2][4]
  end
end
if count == 0 then return 0 end
redis.call('HSET', context, 'thin', (thin or 0) + count)
redis.call('XTRIM', log, 'MINID', string.format('%.0f-0', last + 1))
return count
`);

/**
 * KEYS: context, log, thinned, age, length; ARGV: id, epoch, position of the head, its time, key in the index of ages; then for
 * each merged record version, epoch and digest of its base and of its own position, and the record. Answers 1 or 0.
 */
export const THIN = script(`#!lua flags=allow-oom
local context, log, thinned, age, length = unpack(KEYS)
local at, covered, thin = unpack(redis.call('HMGET', context, 'at', 'snapshotVersion', 'thin'))
if not at or string.match(at, '^%d+:([^:]*):') ~= ARGV[2] then return 0 end

-- Whether a record is at this position: its byte strings begin with epoch and digest (record-format.ts).
local function stands(version, position)
  local record = thin and redis.call('ZRANGE', thinned, version, version, 'BYSCORE')[1]
  if not record then return false end
  local lengths = 4 + 8 * string.byte(record, 2)
  local epoch, digest = struct.unpack('>I4I4', record, lengths)
  local begin = lengths + 16
  local found = string.sub(record, begin, begin + epoch - 1) .. ':' .. string.sub(record, begin + epoch, begin + epoch + digest - 1)
  return found == position
end

local done = 0
for i = 6, #ARGV, 5 do
  local base, version = tonumber(ARGV[i]), tonumber(ARGV[i + 2])
  if base < done or base >= version or version > tonumber(covered or 0) then return 0 end
  if not stands(ARGV[i], ARGV[i + 1]) or not stands(ARGV[i + 2], ARGV[i + 3]) then return 0 end
  done = version
end
for i = 6, #ARGV, 5 do
  local count = redis.call('ZREMRANGEBYSCORE', thinned, '(' .. ARGV[i], ARGV[i + 2])
  redis.call('ZADD', thinned, ARGV[i + 2], ARGV[i + 4])
  thin = thin - count + 1
end
if thin then redis.call('HSET', context, 'thin', thin) end
local following = ARGV[5]
if at ~= ARGV[3] and tonumber(ARGV[4]) < tonumber(following) then following = ARGV[4] end
redis.call('HSET', context, 'next', following)
local records = redis.call('XLEN', log) + (thin or 0)
if records > 0 then redis.call('ZADD', age, following, ARGV[1]) end
if records > 1 then redis.call('ZADD', length, -records, ARGV[1]) else redis.call('ZREM', length, ARGV[1]) end
return 1
`);

export const LOG_SCRIPTS: readonly Script[] = [LOAD, DELTAS, TRIM, LOOSEN, THIN];

/**
 * Documents of earlier versions: the current document with the retained deltas undone; or, where all deltas are retained
 * and this way is shorter, the deltas applied from the first version on. Both read no more than a budget allows.
 */
import { EncodedStruct } from '../../codec/struct.js';
import { decodeStructInSteps, encodeStructInSteps } from '../../codec/struct-steps.js';
import { applyInPlace, type Changes, invert, weigh, weightChange } from '../../delta/index.js';
import { ChordError, notFound } from '../../model/errors.js';
import { type Head, type JsonObject, type Position, samePosition } from '../../model/model.js';
import type { LogRecord, Store } from '../../store/store.js';
import type { View } from '../events.js';
import { ENCODED } from '../lane/document.js';
import type { Lane } from '../lane/lane.js';
import { eachInSteps, inSteps, Pace, paced, SMALL_BYTES } from '../long-work.js';
import { leadsOn } from '../position.js';
import { PAGE_BYTES } from '../validation.js';
import { bytesOf, decodeInSteps } from './merge.js';

/** The maximum number of retained versions that one read may undo or apply. */
const VERSIONS_BACK_MAX = 10_000;
/** Changes that are applied between two looks at the clock: many, since each time a spliced list is written anew. */
const CHANGES_AT_ONCE = 1000;
/** The maximum bytes of deltas, changes and old values: they are held in memory, and each one is decoded. */
export const PAST_BYTES_MAX = 32 * 2 ** 20;

/** What the reads of one request may cost together; reads count it down. */
export interface PastBudget {
  /** Bytes of deltas. */
  deltas: number;
  /** Weight of the documents that the reads begin with. */
  documents: number;
}

/** The maximum weight of all documents that one request holds in memory at once. */
export const DOCUMENTS_BYTES_MAX = 64 << 20;

export function pastBudget(): PastBudget {
  return { deltas: PAST_BYTES_MAX, documents: DOCUMENTS_BYTES_MAX };
}

/** Bytes of deltas that were read from a whole budget. */
export function bytesRead({ deltas }: PastBudget): number {
  return PAST_BYTES_MAX - deltas;
}

export interface PointInTime {
  /** The head at that version, with the current expiry. */
  readonly head: Head;
  /** A copy for the caller. */
  readonly document: JsonObject;
}

/**
 * The context at a version of its current life; the lane's state must be known.
 * NOT_FOUND: the context does not exist or never had that version. FAILED_PRECONDITION: the version is no longer
 * retained. RESOURCE_EXHAUSTED: the deltas in between are too many or have too many bytes, or the budget is used up.
 */
export async function past(
  store: Store,
  lane: Lane,
  version: number,
  budget: PastBudget = pastBudget(),
): Promise<PointInTime> {
  const { id, durable } = lane;
  if (!durable) throw notFound(id);
  const now = durable.position.version;
  if (version > now) {
    const message = `${JSON.stringify(id)} has no version ${version}: the current version is ${now}`;
    throw new ChordError('NOT_FOUND', message, { contextId: id });
  }
  budget.documents -= durable.weight;
  if (budget.documents < 0) throw usedUp('documents', DOCUMENTS_BYTES_MAX);

  const find = async (pace: Pace, bytesMax: number): Promise<PointInTime | undefined> => {
    const ways = [
      () => back(store, lane, now, version, bytesMax, pace, budget),
      () => forth(store, durable, id, version, bytesMax, pace, budget),
    ];
    if (version < now - version) ways.reverse();
    return (await ways[0]?.()) ?? (await ways[1]?.());
  };
  const found =
    (durable.weight <= SMALL_BYTES && (await find(new Pace(), SMALL_BYTES))) ||
    (await paced((pace) => find(pace, PAST_BYTES_MAX)));
  if (found) return found;
  if (budget.deltas < 0) throw usedUp('deltas', PAST_BYTES_MAX);
  const limits = `${VERSIONS_BACK_MAX} deltas or ${PAST_BYTES_MAX} bytes of deltas`;
  const message = `version ${version} of ${JSON.stringify(id)} is over the limit of ${limits} away`;
  throw new ChordError('RESOURCE_EXHAUSTED', message, { contextId: id });
}

/**
 * The last version of the current life that was written at or before a time, in milliseconds since 1970: by halves, since
 * times never decrease. Throws as `past`; NOT_FOUND where the life began later.
 */
export async function versionAt(store: Store, { id, durable }: Lane, time: number): Promise<number> {
  if (!durable || time < durable.createdAt) throw notFound(id);
  if (time >= durable.updatedAt) return durable.position.version;
  let oldest = 1;
  let low = 1;
  let high = durable.position.version;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const read = await store.deltas(id, middle - 1, 1, 1);
    if (read.kind === 'truncated') {
      oldest = read.oldest;
      low = Math.max(middle + 1, Math.min(oldest, high));
      continue;
    }
    const [record] = read.records;
    // The context was deleted or recreated meanwhile.
    if (record?.position.epoch !== durable.position.epoch) throw notFound(id);
    // A record further ahead is the first one that is retained of these versions.
    if (record.at > time) high = middle;
    else low = record.position.version + 1;
  }
  if (low - 1 < oldest) throw gone(id, low - 1, oldest);
  return low - 1;
}

/** Undoes deltas of the current document. Undefined: the deltas have too many bytes. */
async function back(
  store: Store,
  lane: Lane,
  now: number,
  version: number,
  bytesMax: number,
  pace: Pace,
  budget: PastBudget,
): Promise<PointInTime | undefined> {
  const { id } = lane;
  const records: LogRecord[] = [];
  /** Reads records. Answers whether they are within the bytes. */
  const read = async (after: number, last: number): Promise<boolean> => {
    const some = await between(store, id, after, last, bytesMax - bytesOf(records), pace, budget);
    if (some === 'larger') return false;
    if (!Array.isArray(some)) throw gone(id, version, some.oldest);
    checkJoint(id, records, some);
    records.push(...some);
    return true;
  };
  // Before the document is copied.
  if (version < now && !(await read(version - 1, now))) return undefined;
  const view = await lane.view(ENCODED);
  if (!view) throw notFound(id);
  const { head } = view;
  const document = await inSteps(decodeStructInSteps(view.value.bytes), pace);
  const stands = head.position.version;
  if (stands === version) return { head, document };
  if (stands > now && !(await read(version < now ? now : version - 1, stands))) return undefined;
  const [first, ...since] = records;
  // The context was deleted or recreated meanwhile: no version of that life is retained.
  if (!first || !samePosition(since.at(-1)?.position ?? first.position, head.position)) throw notFound(id);
  let { weight } = head;
  for (const record of since.reverse()) {
    weight += await applyInSteps(invert(await decodeInSteps(record, pace)), document, pace);
  }
  const { position, at } = first;
  return { head: { ...head, position, updatedAt: at, weight }, document };
}

/** Applies the first deltas to an empty document. Undefined: they are no longer retained, or have too many bytes. */
async function forth(
  store: Store,
  head: Head,
  id: string,
  version: number,
  bytesMax: number,
  pace: Pace,
  budget: PastBudget,
): Promise<PointInTime | undefined> {
  const records = await between(store, id, 0, version, bytesMax, pace, budget);
  // Where the version was merged away, the other way says so.
  if (!Array.isArray(records) || (records.at(-1)?.position.version ?? 0) > version) return undefined;
  const last = records.at(-1);
  if (last?.position.version !== version || last.position.epoch !== head.position.epoch) throw notFound(id);
  const document: JsonObject = {};
  let weight = weigh(document);
  for (const record of records) weight += await applyInSteps(await decodeInSteps(record, pace), document, pace);
  const { position, at } = last;
  return { head: { ...head, position, updatedAt: at, weight }, document };
}

/** Applies changes in place. Answers by how much the weight of the document changes. */
export async function applyInSteps(changes: Changes, document: JsonObject, pace: Pace): Promise<number> {
  let weight = 0;
  const apply = (some: Changes): void => {
    weight += weightChange(some);
    applyInPlace(some, document);
  };
  await eachInSteps(changes, pace, apply, CHANGES_AT_ONCE);
  return weight;
}

/**
 * The records after a version up to another one, or, where that one was merged away, to the next that is retained; or that they
 * are too many or have too many bytes, or are no longer retained.
 */
async function between(
  store: Store,
  id: string,
  after: number,
  last: number,
  bytesMax: number,
  pace: Pace,
  budget: PastBudget,
): Promise<LogRecord[] | 'larger' | { readonly oldest: number }> {
  const records: LogRecord[] = [];
  let left = bytesMax;
  for (let at = after; at < last; ) {
    const most = Math.min(last - at, VERSIONS_BACK_MAX + 2 - records.length);
    const read = await store.deltas(id, at, most, Math.min(PAGE_BYTES, left + 1));
    if (read.kind === 'truncated') return read;
    const [first] = read.records;
    if (!first) break;
    if (at === after && first.position.version > after + 1) throw mergedAway(id, after + 1, first);
    const bytes = bytesOf(read.records);
    left -= bytes;
    budget.deltas -= bytes;
    if (left < 0 || budget.deltas < 0) return 'larger';
    checkJoint(id, records, read.records);
    for (const record of read.records) {
      at = record.position.version;
      records.push(record);
      if (at >= last) break;
    }
    if (records.length > VERSIONS_BACK_MAX + 1) return 'larger';
    await pace.spend(bytes);
  }
  return records;
}

/** The context at a position, as `past`. */
export async function documentViewAt(store: Store, lane: Lane, position: Position): Promise<PointInTime> {
  const then = await past(store, lane, position.version);
  if (!samePosition(then.head.position, position)) throw gone(lane.id, position.version, then.head.position.version);
  return then;
}

/** The context with its document encoded, in steps where it is large. */
export async function encodedView(id: string, { head, document }: PointInTime): Promise<View> {
  const encoding = encodeStructInSteps(document);
  return { id, head, value: new EncodedStruct(await inSteps(encoding, new Pace())) };
}

/** The document at a position, as `past`. */
export async function documentAt(store: Store, lane: Lane, position: Position): Promise<JsonObject> {
  return position.version === 0 ? {} : (await documentViewAt(store, lane, position)).document;
}

function usedUp(what: keyof PastBudget, limit: number): ChordError {
  const message = `the reverts of the request would read more than ${limit} bytes of ${what}`;
  return new ChordError('RESOURCE_EXHAUSTED', message);
}

/** Between two reads the history may have been thinned. */
function checkJoint(id: string, records: readonly LogRecord[], [next]: readonly LogRecord[]): void {
  const last = records.at(-1);
  if (!last || !next || leadsOn(next, last.position)) return;
  const message = `deltas of ${JSON.stringify(id)} were merged while they were read; try again`;
  throw new ChordError('UNAVAILABLE', message, { contextId: id, retryAfter: 100 });
}

function mergedAway(id: string, version: number, { position, merged }: LogRecord): ChordError {
  const around = merged
    ? `versions ${merged.base.version} and ${position.version} are`
    : `version ${position.version} is`;
  const message = `version ${version} of ${JSON.stringify(id)} is no longer retained; ${around}`;
  return new ChordError('FAILED_PRECONDITION', message, { contextId: id });
}

function gone(id: string, version: number, oldest: number): ChordError {
  const message = `version ${version} of ${JSON.stringify(id)} is no longer retained; the oldest is ${oldest}`;
  return new ChordError('FAILED_PRECONDITION', message, { contextId: id });
}

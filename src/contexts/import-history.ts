/** Turns an exported context with history into the commits that restore the same positions, one after the other. */
import { encodeStructInSteps } from '../codec/struct-steps.js';
import { equal, invert, weigh } from '../delta/index.js';
import { ChordError } from '../model/errors.js';
import { copy, type JsonObject, type Position, samePosition } from '../model/model.js';
import type { Commit, LogRecord, Store } from '../store/store.js';
import { inSteps, type Pace } from './long-work.js';
import { advance } from './position.js';
import { decodeInSteps } from './sync/merge.js';
import { applyInSteps } from './sync/point-in-time.js';

/** An exported context. Times and the time to live are in milliseconds. */
export interface ExportedLife {
  readonly id: string;
  readonly exportedAt: number;
  readonly position: Position;
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly ttl?: number | undefined;
  readonly value: JsonObject;
  /** The retained records. Absent: exported without history. */
  readonly history?: readonly LogRecord[] | undefined;
}

/** Replaces the unknown digest of the position before the first record. No client has this position. */
const UNKNOWN_DIGEST = '00000000';

/** Each commit expects the position of the one before it. DATA_LOSS: the history does not lead to the document. */
export async function importedCommits(packed: ExportedLife, now: number, pace: Pace): Promise<readonly Commit[]> {
  const { id, position, createdAt, value, ttl, history = [] } = packed;
  const from = startOf(position, history);
  try {
    checkChain(from, position, history);
    await pace.turn();
    // One record at a time, backward and then forward: decoded records take many times their bytes.
    const document = copy(value);
    for (const record of history.toReversed()) {
      await applyInSteps(invert(await decodeInSteps(record, pace)), document, pace);
    }
    if (from.version === 0 && Object.keys(document).length > 0) throw new Error('the history does not begin empty');

    // The time to live starts again: a context that was archived because it had expired must not expire at once.
    const use = ttl === undefined ? { touchedAt: now } : { expiry: { at: now + ttl, ttl } };
    await pace.turn();
    let weight = weigh(document);
    const commits: Commit[] = [];
    if (from.version > 0) {
      const snapshot = await inSteps(encodeStructInSteps(document), pace);
      const head = { position: from, createdAt, updatedAt: history[0]?.at ?? packed.updatedAt, weight, ...use };
      commits.push({ id, expected: null, head, snapshot });
    }
    for (const record of history) {
      const { position: to, at, changes: bytes, olds, cause, provenance } = record;
      const changes = await decodeInSteps(record, pace);
      weight += await applyInSteps(changes, document, pace);
      const head = { position: to, createdAt, updatedAt: at, weight, ...use };
      const expected = commits.at(-1)?.head.position ?? null;
      const origin = { ...(cause && { cause }), ...(provenance && { provenance }) };
      commits.push({ id, expected, head, payload: { changes: bytes, olds }, ...origin });
    }
    await pace.turn();
    if (!equal(document, value)) throw new Error('the history does not lead to the document');
    return commits;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ChordError('DATA_LOSS', `the export of ${JSON.stringify(id)} is damaged: ${why}`, {
      contextId: id,
      cause: error,
    });
  }
}

/** Stores the commits. False: the context exists, nothing was stored. Throws ABORTED where another write interferes. */
export async function storeAll(store: Store, id: string, [first, ...others]: readonly Commit[]): Promise<boolean> {
  if (!first || (await store.commit(first)).kind !== 'committed') return false;
  const outcomes = await Promise.all(others.map((commit) => store.commit(commit)));
  if (outcomes.every(({ kind }) => kind === 'committed')) return true;
  throw new ChordError('ABORTED', `${JSON.stringify(id)} was written while it was being restored`, { contextId: id });
}

/** The position before the first record; without records, the position of the context. */
function startOf(position: Position, [first]: readonly LogRecord[]): Position {
  if (!first) return position;
  const version = first.position.version - 1;
  return { epoch: position.epoch, version, digest: version === 0 ? '' : UNKNOWN_DIGEST };
}

function checkChain(from: Position, head: Position, history: readonly LogRecord[]): void {
  let at = from;
  for (const record of history) {
    const next = advance(at, record);
    // Only a known digest can be chained.
    const fits =
      at.digest === UNKNOWN_DIGEST ? record.position.version === next.version : samePosition(next, record.position);
    if (!fits) throw new Error(`version ${record.position.version} does not follow from the version before`);
    at = record.position;
  }
  if (!samePosition(at, head)) throw new Error('the history does not lead to the position of the context');
}

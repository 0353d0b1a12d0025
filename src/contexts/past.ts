/** Documents of earlier versions: today's, with the retained deltas since taken back. */
import { decodeChanges } from '../codec/changes.js';
import { applyInPlace, invert, weigh } from '../delta/index.js';
import { ChordError, notFound } from '../errors.js';
import { type Head, type JsonObject, type Position, samePosition } from '../model.js';
import type { Store } from '../store/store.js';
import { DECODED } from './document.js';
import type { Lane } from './lane.js';

/** What one read may have to take back: it holds the deltas in memory. */
const VERSIONS_BACK_MAX = 10_000;

export interface Past {
  /** As it was, but for the expiry, which is today's. */
  readonly head: Head;
  /** The caller's own. */
  readonly document: JsonObject;
}

/**
 * The context at a version of its present life.
 * NOT_FOUND: it never had that version, or does not exist. FAILED_PRECONDITION: that is no longer retained.
 */
export async function past(store: Store, lane: Lane, version: number): Promise<Past> {
  const { id } = lane;
  const view = await lane.view(DECODED);
  if (!view) throw notFound(id);
  const { head, value: document } = view;
  const now = head.position.version;
  if (version > now) {
    const message = `${JSON.stringify(id)} has no version ${version}: it stands at version ${now}`;
    throw new ChordError('NOT_FOUND', message, { contextId: id });
  }
  if (version === now) return { head, document };

  if (now - version > VERSIONS_BACK_MAX) throw gone(id, version, now - VERSIONS_BACK_MAX);
  const history = await store.deltas(id, version - 1, now - version + 1);
  if (history.kind === 'truncated') throw gone(id, version, history.oldest);
  const [first, ...since] = history.records;
  // Deleted or recreated meanwhile: of that life nothing is retained.
  if (!first || !samePosition(since.at(-1)?.position ?? first.position, head.position)) throw notFound(id);
  for (const { changes, olds } of since.reverse()) applyInPlace(invert(decodeChanges(changes, olds)), document);
  const { position, at } = first;
  return { head: { ...head, position, updatedAt: at, weight: weigh(document) }, document };
}

/** The context at a position, as `past`. */
export async function pastAt(store: Store, lane: Lane, position: Position): Promise<Past> {
  const then = await past(store, lane, position.version);
  if (!samePosition(then.head.position, position)) throw gone(lane.id, position.version, then.head.position.version);
  return then;
}

/** The document of a position, as `past`. */
export async function documentAt(store: Store, lane: Lane, position: Position): Promise<JsonObject> {
  return position.version === 0 ? {} : (await pastAt(store, lane, position)).document;
}

function gone(id: string, version: number, oldest: number): ChordError {
  const message = `version ${version} of ${JSON.stringify(id)} is no longer retained; the oldest is ${oldest}`;
  return new ChordError('FAILED_PRECONDITION', message, { contextId: id });
}

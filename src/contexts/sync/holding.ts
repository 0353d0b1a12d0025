/**
 * Whether a document meets checks, now or in a version since a position: for waits. Only the parts of the
 * document that the checks name are looked at, and of the history only the deltas that touch these parts.
 */
import { eachTouch } from '../../codec/touched.js';
import { applyInPlace, invert } from '../../delta/index.js';
import { type Projection, projectChanges, projectDocument, projectionOf, type Tree } from '../../delta/projection.js';
import type { Path } from '../../delta/types.js';
import type { DocumentCheck } from '../../model/conditions.js';
import { copy, type JsonObject, type Payload, type Position, samePosition } from '../../model/model.js';
import type { LogRecord, Store } from '../../store/store.js';
import { unmetChecks } from '../checks.js';
import type { Form } from '../lane/document.js';
import type { Lane } from '../lane/lane.js';
import { Pace } from '../long-work.js';
import { leadsOn } from '../position.js';
import { PAGE_BYTES } from '../validation.js';
import { agrees, decide } from './decision.js';
import { bytesOf, decodeInSteps } from './merge.js';

/** Versions, and bytes of deltas, that one look goes back; where there are more, only the current version counts. */
const VERSIONS_MAX = 10_000;
const BYTES_MAX = 16 << 20;
const PAGE_RECORDS = 1000;

/** The checks of a wait, and the parts of a document that they name. */
export class Awaited {
  readonly #scope: Projection;
  readonly form: Form<JsonObject>;

  constructor(readonly checks: readonly DocumentCheck[]) {
    const scope = projectionOf(checks.map(({ path }) => path));
    this.#scope = scope;
    this.form = {
      of: (document) => copy(projectDocument(document.value(), scope)),
      bytes: () => Number.POSITIVE_INFINITY,
    };
  }

  metBy(document: JsonObject): boolean {
    return unmetChecks(document, this.checks).length === 0;
  }

  /** Whether a delta touches these parts. */
  concerns({ changes }: Payload): boolean {
    let found = false;
    eachTouch(changes, ({ path }) => {
      found ||= meets(this.#scope.tree, path);
    });
    return found;
  }

  /** Applies a delta to these parts, in place. */
  async advance(document: JsonObject, payload: Payload): Promise<void> {
    applyInPlace(projectChanges(await decodeInSteps(payload, new Pace()), this.#scope), document);
  }

  /** Undoes it. */
  async retreat(document: JsonObject, payload: Payload, pace: Pace): Promise<void> {
    applyInPlace(invert(projectChanges(await decodeInSteps(payload, pace), this.#scope)), document);
  }
}

/** A context as a look found it. */
export interface Holding {
  readonly position: Position;
  /** The parts that the checks name; the caller's own. */
  readonly document: JsonObject;
  /** The first retained version after `known` that met the checks, or else the current one; absent: none did. */
  readonly heldAt?: Position;
}

/** Null: the context does not exist. */
export async function holding(
  store: Store,
  lane: Lane,
  awaited: Awaited,
  known: Position | undefined,
): Promise<Holding | null> {
  const view = await lane.view(awaited.form);
  if (!view) return null;
  const { position } = view.head;
  const document = view.value;
  const now = awaited.metBy(document) ? { heldAt: position } : {};
  if (!known || decide(known, position, VERSIONS_MAX).kind !== 'behind') return { position, document, ...now };
  const pace = new Pace();
  const records = await concerning(store, lane.id, awaited, known, position, pace);
  const heldAt = records && (await firstHeld(awaited, records, copy(document), pace));
  return { position, document, ...now, ...(heldAt && { heldAt }) };
}

/** The first of the retained versions after that of the first record at which the checks were met. */
async function firstHeld(
  awaited: Awaited,
  [, next, ...others]: readonly LogRecord[],
  document: JsonObject,
  pace: Pace,
): Promise<Position | undefined> {
  let first: Position | undefined;
  for (const record of others.reverse()) {
    if (awaited.metBy(document)) first = record.position;
    await awaited.retreat(document, record, pace);
  }
  if (next && awaited.metBy(document)) first = next.position;
  return first;
}

/**
 * The record of `known`, the record after it, and of the others those that touch the parts. Undefined: they are not
 * retained, are too many, or do not lead to `head`.
 */
async function concerning(
  store: Store,
  id: string,
  awaited: Awaited,
  known: Position,
  head: Position,
  pace: Pace,
): Promise<LogRecord[] | undefined> {
  const found: LogRecord[] = [];
  let last: Position | undefined;
  let bytes = 0;
  for (let after = known.version - 1; after < head.version; ) {
    const page = await store.deltas(id, after, Math.min(PAGE_RECORDS, head.version - after), PAGE_BYTES);
    if (page.kind === 'truncated' || page.records.length === 0) return undefined;
    for (const record of page.records) {
      const { version } = record.position;
      if (last && !leadsOn(record, last)) return undefined;
      bytes += bytesOf([record]);
      if (bytes > BYTES_MAX) return undefined;
      await pace.spend(record.changes.length);
      if (found.length < 2 || awaited.concerns(record)) found.push(record);
      last = record.position;
      after = version;
    }
  }
  const [first] = found;
  const leads = first?.position.version === known.version && agrees(known, first.position);
  return leads && last && samePosition(last, head) ? found : undefined;
}

/** Whether a changed path lies in one of the subtrees, or above one. */
function meets(scope: Tree, path: Path): boolean {
  let tree = scope;
  for (const key of path) {
    const next = tree.get(key);
    if (next === undefined) return false;
    if (next === 'whole') return true;
    tree = next;
  }
  return true;
}

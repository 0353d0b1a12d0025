/**
 * Batch delivery: contexts that changed in one batch, together with the contexts of other batches that overlap it before
 * the reader is up to date. All that the reader lacks of these contexts is sent together, as of one moment.
 */
import type { SyncResult } from '../contexts/events.js';
import { ChordError } from '../model/errors.js';
import type { Head, Position } from '../model/model.js';

/** Beyond this many contexts or bytes, a delivery is dissolved, and each context is sent on its own. */
const MEMBERS_MAX = 1000;
const BYTES_MAX = 16 << 20;
/** Attempts to read all contexts at their current positions; later attempts read positions just past. */
const TRIES_NOW = 2;
const TRIES_MAX = 50;

/** One context of a delivery. */
export interface BatchMember<M extends BatchMember<M>> {
  readonly id: string;
  /** The position of the context after the last event. Undefined: not known. */
  readonly latest: Position | null | undefined;
  /** The context may have changed since it was last sent. */
  readonly dirty: boolean;
  /** The delivery that must include this context. */
  batch: BatchDelivery<M> | undefined;
}

/** What the reader lacks of a context now, or as of position `then`. */
type Lack<M> = (member: M, then?: Position | null) => SyncResult | Promise<SyncResult>;
type Heads = (ids: readonly string[]) => Promise<ReadonlyMap<string, Head | null>>;

export class BatchDelivery<M extends BatchMember<M>> {
  readonly members = new Set<M>();
  /** The number of batches in this delivery. A different number means that another batch has joined. */
  #batches = 0;
  /** Failed attempts since the last delivery. */
  #tries = 0;

  /** Puts these contexts, and all contexts of their deliveries, into one delivery. */
  static join<M extends BatchMember<M>>(members: readonly M[]): void {
    const before = new Set(members.flatMap(({ batch }) => batch ?? []));
    const joined = [...before].reduce((a, b) => (b.members.size > a.members.size ? b : a), new BatchDelivery<M>());
    for (const member of [...before].flatMap((each) => (each === joined ? [] : [...each.members])).concat(members)) {
      joined.members.add(member);
      member.batch = joined;
    }
    joined.#batches++;
  }

  get tooLarge(): boolean {
    return this.members.size > MEMBERS_MAX || this.#tries > TRIES_MAX;
  }

  /** Dissolves the delivery: from now on each context is sent on its own. */
  dissolve(): void {
    for (const member of this.members) member.batch = undefined;
    this.members.clear();
  }

  /**
   * What the reader lacks, as of one moment, which is usually now. Where batches are committed during the reads, some
   * contexts were read before a batch and some after it. Then the moment is one just past, by the positions of the events
   * or, with other servers, by `heads`; that costs more. Null: no such moment was found, try again.
   */
  async read(due: readonly M[], lack: Lack<M>, heads: Heads | undefined) {
    const batches = this.#batches;
    const past = this.#tries++ >= TRIES_NOW;
    const found = past && heads ? await heads(due.map(({ id }) => id)) : undefined;
    // Includes the contexts that joined by recent events. They stay due: they may have changed again since.
    const members = past ? around(due) : due;
    // A context without a head here is in an older batch, and the events of its last batch do not come again.
    if (found && !members.every(({ id }) => found.has(id))) return null;
    const moments = members.map(({ id, latest }) => {
      if (found) return found.get(id)?.position ?? null;
      return past ? latest : undefined;
    });
    const lacks = members.map((member, i) => lack(member, moments[i]));
    const waits = lacks.some((each) => each instanceof Promise);
    const results = waits ? await Promise.all(lacks).catch(unlessPast) : (lacks as SyncResult[]);
    const quiet = this.#batches === batches && due.every((member) => member.batch === this);
    const ofOneMoment = quiet || (past && members.every(({ dirty }, i) => moments[i] !== undefined || !dirty));
    if (!results || !ofOneMoment) return null;

    const tooHeavy = results.reduce((sum, result) => sum + bytesOf(result), 0) > BYTES_MAX;
    // A context that changed meanwhile stays in the delivery, as long as writes to it go on.
    this.#tries = TRIES_NOW;
    for (const member of around(due)) if (quiet || tooHeavy || !member.dirty) leave(member);
    return tooHeavy ? null : { members, results };
  }
}

/** These contexts and all contexts of their deliveries. */
function around<M extends BatchMember<M>>(members: readonly M[]): M[] {
  return [...new Set(members.flatMap((member) => [member, ...(member.batch?.members ?? [])]))];
}

/** Removes the context from its delivery: from now on it is sent on its own. */
export function leave<M extends BatchMember<M>>(member: M): void {
  member.batch?.members.delete(member);
  member.batch = undefined;
}

/** Answers null where the error means that a past position is no longer available; else throws the error. */
function unlessPast(error: unknown): null {
  const { reason } = error as ChordError;
  if (error instanceof ChordError && (reason === 'NOT_FOUND' || reason === 'FAILED_PRECONDITION')) return null;
  throw error;
}

function bytesOf(result: SyncResult): number {
  if (result.kind === 'full') return result.view.value.bytes.length;
  return result.kind === 'delta' ? result.delta.payload.changes.length : 0;
}

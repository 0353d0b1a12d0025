/**
 * Contexts of which some moved together, and perhaps others together with those, while the reader had not heard of it
 * yet. What it lacks of all of them goes out in one go, as of one moment.
 */
import type { SyncResult } from '../contexts/events.js';
import { ChordError } from '../model/errors.js';
import type { Head, Position } from '../model/model.js';

/** More contexts, or bytes, are not kept back until all of them can be sent: then each goes its own way. */
const MEMBERS_MAX = 1000;
const BYTES_MAX = 16 << 20;
/** So often it is tried to read all of them as they stand now. */
const TRIES_NOW = 2;
const TRIES_MAX = 50;

/** One context of a delivery. */
export interface BatchMember<M extends BatchMember<M>> {
  readonly id: string;
  /** Where the context stands by the last event. Undefined: not known. */
  readonly latest: Position | null | undefined;
  /** Something may have happened to the context since it was sent. */
  readonly dirty: boolean;
  /** The delivery that this context must be part of. */
  batch: BatchDelivery<M> | undefined;
}

/** What the reader lacks of a context now, or as it stood `then`. */
type Lack<M> = (member: M, then?: Position | null) => SyncResult | Promise<SyncResult>;
type Heads = (ids: readonly string[]) => Promise<ReadonlyMap<string, Head | null>>;

export class BatchDelivery<M extends BatchMember<M>> {
  readonly members = new Set<M>();
  /** How many batches made it. Another number: one has joined. */
  #batches = 0;
  /** Without success, since the last one. */
  #tries = 0;

  /** Puts these, and all that they must be sent together with, into one delivery. */
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

  /** From now on each goes its own way. */
  dissolve(): void {
    for (const member of this.members) member.batch = undefined;
    this.members.clear();
  }

  /**
   * What the reader lacks, as of one moment: as a rule now. Where groups come in between, some were read before one and
   * some after: then it is a moment just past, as it was told or, beside other servers, as `heads` tell it; that costs
   * more. Null: none was found, try again.
   */
  async read(due: readonly M[], lack: Lack<M>, heads: Heads | undefined) {
    const batches = this.#batches;
    const past = this.#tries++ >= TRIES_NOW;
    const found = past && heads ? await heads(due.map(({ id }) => id)) : undefined;
    // With those that have joined by what was told just now. They stay due: more may have happened to them since.
    const members = past ? around(due) : due;
    // One that was bundled with those before: its own last group is not told again.
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
    // What something has happened to since stays bundled: that may go on for as long as they are written to.
    this.#tries = TRIES_NOW;
    for (const member of around(due)) if (quiet || tooHeavy || !member.dirty) leave(member);
    return tooHeavy ? null : { members, results };
  }
}

/** These with all that they must be sent together with. */
function around<M extends BatchMember<M>>(members: readonly M[]): M[] {
  return [...new Set(members.flatMap((member) => [member, ...(member.batch?.members ?? [])]))];
}

/** It goes its own way. */
export function leave<M extends BatchMember<M>>(member: M): void {
  member.batch?.members.delete(member);
  member.batch = undefined;
}

/** What stood there then is gone. */
function unlessPast(error: unknown): null {
  const { reason } = error as ChordError;
  if (error instanceof ChordError && (reason === 'NOT_FOUND' || reason === 'FAILED_PRECONDITION')) return null;
  throw error;
}

function bytesOf(result: SyncResult): number {
  if (result.kind === 'full') return result.view.value.bytes.length;
  return result.kind === 'delta' ? result.delta.payload.changes.length : 0;
}

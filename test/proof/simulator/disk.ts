/**
 * What is durable: a memory store that all simulated servers share, and beside it the truth that everything is held
 * against. Each commit that takes effect here is checked on its own: versions are dense, the digest follows, the snapshot is
 * the document that the changes lead to, and what expires was due.
 */
import { isDeepStrictEqual } from 'node:util';
import { decodeChanges } from '../../../src/codec/changes.js';
import { decodeStruct } from '../../../src/codec/struct.js';
import { advance } from '../../../src/contexts/position.js';
import { apply } from '../../../src/delta/index.js';
import { type JsonObject, type Position, samePosition, usedAt } from '../../../src/model/model.js';
import { openMemory } from '../../../src/store/memory.js';
import type { BatchOperation, BatchOutcome, Commit, Outcome, Removal } from '../../../src/store/store.js';
import type { Members } from './members.js';

/** One state of a context; a gap between lives has neither position nor document. */
export interface State {
  readonly place: number;
  readonly position: Position | undefined;
  readonly document: JsonObject;
  /** A client was answered or sent this state: before that no client can name it. */
  seen?: true;
  /** Its version was made by members that expired. */
  readonly expired?: boolean;
  /** Those that expire. Written by the judge. */
  members?: Members;
  /** Why the life before this gap ended. */
  readonly reason?: 'deleted' | 'expired';
}

/** The places in their chains to which one batch moved its contexts. */
export type BatchPlaces = ReadonlyMap<string, number>;

export class Disk {
  readonly store = openMemory();
  /** From *absent* on, all states in order. */
  readonly chains = new Map<string, State[]>();
  readonly batches: BatchPlaces[] = [];
  readonly #named = new Map<string, State>();
  #moment: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly mayExpire: (head: { readonly idle: boolean; readonly at: number }) => boolean,
    /** `made`: the contexts whose chain has grown. */
    private readonly onChange: (operations: readonly BatchOperation[], made: readonly string[]) => void,
    /** What is wrong. Thrown from here it would be taken for a failure of the store. */
    private readonly onWrong: (error: unknown) => void,
  ) {}

  /** Runs alone: no other effect falls between its steps. Takes no time. */
  moment<T>(run: () => Promise<T>): Promise<T> {
    const done = this.#moment.then(run);
    this.#moment = done.catch(() => {});
    return done;
  }

  /** This and the other writes are called within a moment. */
  async commit(commit: Commit): Promise<Outcome> {
    const before = await this.store.head(commit.id);
    const outcome = await this.store.commit(commit);
    if (outcome.kind === 'committed') {
      this.#judge(() => {
        this.#committed(commit, before?.position);
        this.onChange([commit], commit.payload ? [commit.id] : []);
      });
    }
    return outcome;
  }

  async remove(removal: Removal): Promise<Outcome> {
    const head = await this.store.head(removal.id);
    const outcome = await this.store.remove(removal);
    if (outcome.kind === 'committed' && removal.expected) {
      this.#judge(() => {
        this.#removed(removal, head);
        this.onChange([removal], [removal.id]);
      });
    }
    return outcome;
  }

  async commitBatch(operations: readonly BatchOperation[]): Promise<BatchOutcome> {
    const heads = await Promise.all(operations.map(({ id }) => this.store.head(id)));
    const outcome = await this.store.commitBatch!(operations);
    if (outcome.kind !== 'committed') return outcome;
    const places = new Map<string, number>();
    this.#judge(() => {
      operations.forEach((operation, i) => {
        const length = this.chainOf(operation.id).length;
        if ('head' in operation) this.#committed(operation, heads[i]?.position);
        else if ('reason' in operation && operation.expected) this.#removed(operation, heads[i] ?? null);
        if (this.chainOf(operation.id).length > length) places.set(operation.id, length);
      });
      if (places.size > 1) this.batches.push(places);
      this.onChange(operations, [...places.keys()]);
    });
    return outcome;
  }

  #judge(run: () => void): void {
    try {
      run();
    } catch (error) {
      this.onWrong(error);
    }
  }

  chainOf(id: string): State[] {
    let chain = this.chains.get(id);
    if (!chain) {
      chain = [{ place: 0, position: undefined, document: {} }];
      this.chains.set(id, chain);
    }
    return chain;
  }

  newest(id: string): State {
    return this.chainOf(id).at(-1)!;
  }

  /** Undefined: no context was ever there. */
  at(id: string, position: Position): State | undefined {
    return this.#named.get(`${id} ${nameOf(position)}`);
  }

  /** The state of this version in the life with this epoch. */
  version(id: string, epoch: string, version: number): State | undefined {
    return this.chainOf(id).find(({ position }) => position?.epoch === epoch && position.version === version);
  }

  #committed({ id, head, payload, snapshot, cause }: Commit, before: Position | undefined): void {
    const newest = this.newest(id);
    const { position } = head;
    if (before && !newest.position) throw new Error(`${id}: a life that the truth does not have`);
    let document = newest.document;
    if (payload) {
      const from = before ?? { epoch: position.epoch, version: 0, digest: '' };
      if (!samePosition(advance(from, payload), position)) {
        throw new Error(`${id}: ${nameOf(position)} does not follow from ${nameOf(from)}`);
      }
      const changes = decodeChanges(payload.changes, payload.olds);
      document = apply(changes, before ? newest.document : {});
      if (!before && this.chainOf(id).some((state) => state.position?.epoch === position.epoch)) {
        throw new Error(`${id}: a second life with the epoch ${position.epoch}`);
      }
      const state: State = { place: newest.place + 1, position, document, expired: cause !== undefined };
      this.chainOf(id).push(state);
      this.#named.set(`${id} ${nameOf(position)}`, state);
    } else if (!before || !samePosition(before, position)) throw new Error(`${id}: a new version without changes`);
    if (snapshot && !isDeepStrictEqual(decodeStruct(snapshot), document)) {
      throw new Error(`${id}: the snapshot at ${nameOf(position)} is another document`);
    }
  }

  #removed({ id, reason }: Removal, head: Awaited<ReturnType<typeof this.store.head>>): void {
    if (!head) return;
    if (reason === 'expired') {
      const due = { idle: !head.expiry, at: head.expiry?.at ?? usedAt(head) };
      if (!this.mayExpire(due)) throw new Error(`${id} expired before its time: ${JSON.stringify(head)}`);
    }
    const chain = this.chainOf(id);
    chain.push({ place: chain.length, position: undefined, document: {}, reason });
  }
}

export function nameOf({ epoch, version, digest }: Position): string {
  return `${epoch}:${version}:${digest}`;
}

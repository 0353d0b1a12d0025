/**
 * The use cases: what can be asked of Chord about contexts, whatever the transport. The gRPC edge calls
 * nothing else, and neither do Node programs that use Chord without a network.
 */
import { EncodedStruct, encodeStruct } from '../codec/struct.js';
import { invalid, notFound } from '../model/errors.js';
import { type Head, type JsonObject, type Position, samePosition } from '../model/model.js';
import type { Commit, FeedEvent, Store, StoreCluster } from '../store/store.js';
import type { SyncResult, View } from './events.js';
import { storeAll } from './import-history.js';
import { ENCODED, type Form } from './lane/document.js';
import { Lane } from './lane/lane.js';
import { Lanes } from './lane/lanes.js';
import { Duplicate } from './lane/pending-write.js';
import type { Effect, TipView } from './lane/state.js';
import type { ServiceOptions } from './options.js';
import { type DeltaPage, deltaPage, type HeadPage, headPage, type PageOptions } from './pagination.js';
import { hear } from './remote-events.js';
import { answer, answerAt } from './sync/answer.js';
import { documentAt, documentViewAt, type PointInTime, past } from './sync/point-in-time.js';
import { WholeLists } from './sync/projection.js';
import { trim } from './trim.js';
import { checkId, checkTtl } from './validation.js';
import { type BatchedWrite, type BatchTools, writeBatch } from './writes/batch.js';
import { Budget } from './writes/budget.js';
import { type RememberedAnswer, recall } from './writes/idempotency.js';
import type { Edit, Mutation } from './writes/mutations.js';
import { checkEdit } from './writes/value-limits.js';
import { ask, isRefusal } from './writes/write-request.js';
import {
  edit,
  expire,
  isExpired,
  remove,
  revert,
  touch,
  type UpdateOptions,
  type WriteOptions,
  type WriteRequest,
  type WriteResult,
} from './writes/writes.js';

export class ContextService {
  readonly #options: ServiceOptions;
  readonly #store: Store;
  readonly #lanes: Lanes;
  readonly #batchTools: BatchTools;
  readonly #budget: Budget;
  /** For clients that want lists whole. */
  readonly lists: WholeLists;
  /** With other servers on the same store, what is in memory may be old: each call asks. */
  readonly #shared: boolean;
  /** What other servers did, and is being looked at. */
  readonly #looks = new Set<Promise<void>>();

  constructor(options: ServiceOptions) {
    const { store, publish, deltaThreshold } = options;
    this.#options = options;
    this.#store = store;
    this.#shared = store.cluster !== undefined;
    this.lists = new WholeLists(async (id, at) => documentAt(store, await this.#freshLane(id), at));
    this.#lanes = new Lanes(options.cacheBytes, (id, changed) => new Lane(id, store, publish, changed, deltaThreshold));
    this.#budget = new Budget(options.maxDocumentBytes, options.maxRequestMembers);
    this.#batchTools = {
      ...{ store, publish, lanes: this.#lanes, budget: this.#budget },
      now: () => this.#now(),
      isGone: (head) => this.isGone(head),
      past: (id, version) => this.#past(id, version),
      repeat: (id, first, asked) => this.#repeat(id, first, asked),
    };
  }

  /** Contexts in memory, and what they take; look-ups that found them there or not; those that had to leave. */
  get cache() {
    const { lookups, misses, evicted } = this.#lanes.counts;
    return { contexts: this.#lanes.size, bytes: this.#lanes.bytes, hits: lookups - misses, misses, evicted };
  }

  /** Creates or replaces. Takes the value over: do not change it afterwards. */
  set(id: string, value: JsonObject, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#edit(id, { kind: 'set', value }, { ...options, allowMissing: true });
  }

  /** Deep-merges `changes`, then applies the mutations in order. Takes the values over. */
  update(
    id: string,
    {
      changes,
      mutations = [],
    }: { readonly changes?: JsonObject | undefined; readonly mutations?: readonly Mutation[] },
    options: UpdateOptions = {},
  ): Promise<WriteResult> {
    return this.#edit(id, { kind: 'update', changes, mutations }, options);
  }

  async delete(id: string, options: UpdateOptions = {}): Promise<WriteResult> {
    const asked = ask(id, options, ['delete', options.expected, options.allowMissing]);
    const written = this.#write(id, (view) => remove(view, asked, this.#now()));
    return this.#once(id, asked, written);
  }

  /** Begins the time to live again, or sets another one, in milliseconds. */
  async touch(id: string, ttl?: number): Promise<Head> {
    checkId(id);
    if (ttl !== undefined) checkTtl(ttl);
    if (this.#shared) await this.#lanes.get(id).refresh();
    return this.#submit(id, (view) => touch(view, ttl, this.#now()));
  }

  /**
   * Several writes, each of another context, as one: all or none. A repeat of a `requestId` answers what the first try
   * did. Takes the values over.
   */
  batch(writes: readonly BatchedWrite[], options: Pick<WriteOptions, 'requestId' | 'caller'> = {}) {
    return writeBatch(this.#batchTools, writes, options);
  }

  async get<T = EncodedStruct>(id: string, form = ENCODED as unknown as Form<T>): Promise<View<T>> {
    checkId(id);
    const view = await (await this.#freshLane(id)).view(form);
    if (!view || this.#endIfExpired(id, view.head)) throw notFound(id);
    return view;
  }

  /**
   * The context as it stood at this position, though it may have moved on just now. NOT_FOUND, FAILED_PRECONDITION,
   * RESOURCE_EXHAUSTED: that is gone.
   */
  async getAsOf(id: string, position: Position): Promise<View> {
    const view = await this.get(id);
    if (samePosition(view.head.position, position)) return view;
    const { head, document } = await documentViewAt(this.#store, await this.#freshLane(id), position);
    return { id, head, value: new EncodedStruct(encodeStruct(document)) };
  }

  /** The context as it was. NOT_FOUND above its version, FAILED_PRECONDITION where that is no longer retained. */
  async getAtVersion(id: string, version: number): Promise<View> {
    checkId(id);
    const { head, document } = await this.#past(id, version);
    return { id, head, value: new EncodedStruct(encodeStruct(document)) };
  }

  /** Makes the document what it was at a version of this life, whatever was written since. Refuses as `getAtVersion` does. */
  async revert(id: string, version: number, options: WriteOptions = {}): Promise<WriteResult> {
    if (version < 1) throw invalid('version', 'must be at least 1');
    const asked = ask(id, options, ['revert', version, options.expected, options.ttl]);
    const write = (then: PointInTime) => (view: TipView) =>
      revert(view, then, asked, this.#now(), this.#budget.renew());
    const written = this.#past(id, version).then((then) => this.#write(id, write(then)));
    return this.#once(id, asked, written);
  }

  /** Heads in the byte order of their ids. A page may be short; there are more while it has a token. */
  async list(prefix: string, options: PageOptions = {}): Promise<HeadPage> {
    return headPage(this.#store, prefix, options, (head) => this.isGone(head));
  }

  /** What a client at `known` lacks. Answers at once where everything is in memory. */
  sync<T = EncodedStruct>(
    id: string,
    known: Position | undefined,
    form = ENCODED as unknown as Form<T>,
  ): SyncResult<T> | Promise<SyncResult<T>> {
    checkId(id);
    const lane = this.#lanes.get(id);
    if (lane.known && !this.#shared) return this.#answer(lane, known, form);
    return this.#freshLane(id).then((fresh) => this.#answer(fresh, known, form));
  }

  /**
   * What a client at `known` lacks of a context that stood at this position, whatever was written since; null: there was
   * none. Throws FAILED_PRECONDITION or NOT_FOUND where that is gone.
   */
  async syncAt(id: string, known: Position | undefined, at: Position | null): Promise<SyncResult> {
    if (!at) return { kind: 'missing' };
    return answerAt(this.#store, await this.#freshLane(id), at, known, this.#options.deltaThreshold);
  }

  /** As `StoreCluster.heads`. Absent: this process writes all commits, and tells of them as they happen. */
  get heads(): StoreCluster['heads'] | undefined {
    return this.#store.cluster?.heads;
  }

  /** The retained history after a version, oldest first. */
  async deltas(id: string, fromVersion: number, options: PageOptions = {}): Promise<DeltaPage> {
    checkId(id);
    const { durable } = await this.#freshLane(id);
    if (!durable || this.#endIfExpired(id, durable)) throw notFound(id);
    return deltaPage(this.#store, id, durable.position, fromVersion, options);
  }

  /**
   * Removes the context if its time to live has run out, or if it has none and was neither written to nor touched
   * after `idleSince`; and if it still stands `at` a position, where one is given. Answers whether it did.
   */
  async expire(id: string, idleSince?: number, at?: Position): Promise<boolean> {
    if (this.#shared) await this.#lanes.get(id).refresh();
    return this.#lanes.get(id).submit((view) => expire(view, this.#now(), idleSince, at));
  }

  /**
   * Stores a life that began elsewhere, commit by commit. Answers false, and stores nothing, where there is a context.
   * Throws ABORTED where another server writes to it meanwhile: it then stands before its end.
   */
  async adopt(id: string, commits: readonly Commit[]): Promise<boolean> {
    if (!this.#options.keepExpired) await this.expire(id);
    try {
      return await storeAll(this.#store, id, commits);
    } finally {
      await this.#lanes.get(id).refresh(); // nobody in this process has heard of it
      this.#options.publish({ kind: 'reset', id });
    }
  }

  /** Whether a context with this head has expired and so is gone for every caller. */
  isGone(head: Head | null): boolean {
    return !this.#options.keepExpired && isExpired(head, this.#now());
  }

  /** Drops the deltas up to and with version `upTo`. Answers how many records went. */
  async trim(id: string, upTo: number): Promise<number> {
    const count = await trim(this.#store, id, upTo, () => this.#lanes.get(id));
    this.#lanes.peek(id)?.forgetHistory(upTo);
    return count;
  }

  /** Another server's commit. */
  onFeed(event: FeedEvent): void {
    for (const look of hear(event, this.#lanes, this.#options.publish)) {
      this.#looks.add(look);
      void look.then(() => this.#looks.delete(look));
    }
  }

  /** Resolves when watchers have been told of everything that `onFeed` was given before. */
  async told(): Promise<void> {
    await Promise.all(this.#looks);
  }

  /** The time, as writes have it. */
  now(): number {
    return this.#now();
  }

  /** The hot path: no more promises than the lane's own. */
  #edit(id: string, what: Edit, options: UpdateOptions): Promise<WriteResult> {
    try {
      checkEdit(what, this.#budget.room());
      const asked = ask(id, options, [what, options.expected, options.ttl, options.allowMissing]);
      const write = (view: TipView) => edit(view, what, asked, this.#now(), this.#budget.renew());
      return this.#once(id, asked, this.#write(id, write));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #write(id: string, write: (view: TipView) => Effect<WriteResult>): Promise<WriteResult> {
    return this.#shared ? this.#writeShared(id, write) : this.#submit(id, write);
  }

  /** What a write answers; one that names itself and was committed before, what it answered then. */
  #once(id: string, asked: WriteRequest, written: Promise<WriteResult>): Promise<WriteResult> {
    const { name } = asked;
    if (!name) return written;
    return written.catch(async (error) => {
      // A refusal may only mean that the first try has done its work already.
      const first = error instanceof Duplicate ? error.first : await this.#store.recall(id, name.id, name.formerId);
      if (!first) throw error;
      return this.#repeat(id, recall(first, asked.fingerprint)[0]!, asked);
    });
  }

  /** Beside other servers, what no commit has shown to rest on the newest state is done again, on that. */
  async #writeShared(id: string, write: (view: TipView) => Effect<WriteResult>): Promise<WriteResult> {
    if (this.isGone(this.#lanes.get(id).tip)) await this.#lanes.get(id).refresh();
    try {
      const result = await this.#submit(id, write);
      if (result.changed) return result;
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
    await this.#lanes.get(id).refresh();
    return this.#submit(id, write);
  }

  /** Runs a write at once: a lane that was looked up before an await may have been evicted since. */
  #submit<T>(id: string, write: (view: TipView) => Effect<T>): Promise<T> {
    const lane = this.#lanes.get(id);
    // What has expired is gone for every caller, whether or not it was swept. Where this fails, so does the write.
    if (!this.#options.keepExpired && (!lane.live || this.isGone(lane.tip))) {
      lane.submit((view) => expire(view, this.#now())).catch(() => {});
    }
    return lane.submit(write);
  }

  /** The answer of a write that was committed before. What it returned beside its position is given where it still can be had. */
  async #repeat(
    id: string,
    { position, changed }: RememberedAnswer,
    { returning }: WriteRequest,
  ): Promise<WriteResult> {
    const view = returning?.context ? await (await this.#freshLane(id)).view(ENCODED) : undefined;
    const page =
      returning?.delta && changed && position
        ? await this.deltas(id, position.version - 1, { pageSize: 1 }).catch(() => undefined)
        : undefined;
    return {
      position,
      changed,
      view: view && position && samePosition(view.head.position, position) ? view : undefined,
      delta: page?.deltas.find(({ to }) => to.version === position?.version && to.epoch === position.epoch),
    };
  }

  async #past(id: string, version: number): Promise<PointInTime> {
    const lane = await this.#freshLane(id);
    if (lane.durable && this.#endIfExpired(id, lane.durable)) throw notFound(id);
    return past(this.#store, lane, version);
  }

  #answer<T>(lane: Lane, known: Position | undefined, form: Form<T>): SyncResult<T> | Promise<SyncResult<T>> {
    const head = lane.durable;
    if (!head) return { kind: 'missing' };
    if (this.#endIfExpired(lane.id, head)) return { kind: 'missing', removal: 'expired' };
    return answer(lane, head, known, this.#options.deltaThreshold, form);
  }

  /** A lane that holds every commit acknowledged before this call. For reading only: it may have been evicted. */
  async #freshLane(id: string): Promise<Lane> {
    const lane = this.#lanes.get(id);
    if (this.#shared) await lane.refresh();
    else if (!lane.known) await lane.ready();
    return lane;
  }

  /** Whether the context has expired. If so it is removed too, but no reader waits for that. */
  #endIfExpired(id: string, head: Head): boolean {
    if (!this.isGone(head)) return false;
    this.expire(id).catch(this.#options.onError);
    return true;
  }

  #now(): number {
    return this.#options.clock();
  }
}

export type { DeltaPage, HeadPage, PageOptions } from './pagination.js';
export type { BatchedResult, BatchedWrite } from './writes/batch.js';
export type { Expected, UpdateOptions, WriteOptions, WriteResult } from './writes/writes.js';

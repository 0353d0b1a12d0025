/**
 * The use cases: the operations on contexts, whatever the transport. The gRPC edge calls nothing else, and neither do
 * Node programs that use Chord without a network.
 */
import type { EncodedStruct } from '../codec/struct.js';
import type { Path } from '../delta/types.js';
import { invalid, notFound } from '../model/errors.js';
import { type Head, type JsonObject, type Position, samePosition } from '../model/model.js';
import type { Commit, Duplicate, FeedEvent, Request, Store, StoreCluster } from '../store/store.js';
import type { SyncResult, View } from './events.js';
import { type ViewWithExpiries, withExpiries } from './expiries.js';
import { storeAll } from './import-history.js';
import { ENCODED, type Form, type Need } from './lane/document.js';
import { Lane } from './lane/lane.js';
import { Lanes } from './lane/lanes.js';
import type { Evaluation } from './lane/pending-write.js';
import type { TipView } from './lane/state.js';
import { type DeltaPage, deltaPage, type HeadPage, headPage, type PageOptions } from './pagination.js';
import { hear } from './remote-events.js';
import type { ServiceOptions } from './service-options.js';
import { answer, answerAt } from './sync/answer.js';
import { type Awaited, type Holding, holding } from './sync/holding.js';
import { PastReads } from './sync/past-reads.js';
import { bytesRead, documentAt, type PastBudget, type PointInTime, past, pastBudget } from './sync/point-in-time.js';
import { WholeValues } from './sync/projection.js';
import { countThinned, type ThinningPlan, thin } from './thin.js';
import { trim } from './trim.js';
import { checkId, checkTtl } from './validation.js';
import { type BatchedWrite, type BatchTools, writeBatch } from './writes/batch.js';
import { Budget } from './writes/budget.js';
import { withRecords } from './writes/guard.js';
import { recall } from './writes/idempotency.js';
import { checkTouched, membersDue, memberUpkeep, touchMembers } from './writes/member-times.js';
import type { Edit, Mutation } from './writes/mutations.js';
import { repeated } from './writes/repeat.js';
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
  /** For clients whose delta format has no splices. */
  readonly wholeValues: WholeValues;
  readonly past: PastReads;
  /** Other servers share the store, so the state in memory may be old: each call checks the store. */
  readonly #shared: boolean;
  /** What other servers did, and is being looked at. */
  readonly #looks = new Set<Promise<void>>();

  constructor(options: ServiceOptions) {
    const { store, publish, deltaThreshold, traceEvaluation: trace, onMembers } = options;
    this.#options = options;
    this.#store = store;
    this.#shared = store.cluster !== undefined;
    this.wholeValues = new WholeValues(async (id, at) => documentAt(store, await this.#freshLane(id), at));
    this.past = new PastReads(store, (id) => this.#living(id));
    const upkeep = memberUpkeep(() => this.#now());
    this.#lanes = new Lanes(options.cacheBytes, (id, changed) => {
      const noted = (lane: Lane): void => {
        changed(lane);
        if (lane.durable?.members) onMembers?.(lane.durable.members.due);
      };
      return new Lane(id, store, publish, noted, deltaThreshold, upkeep, trace);
    });
    this.#budget = new Budget(options.maxDocumentBytes, options.maxRequestMembers);
    this.#batchTools = {
      ...{ store, publish, lanes: this.#lanes, budget: this.#budget },
      now: () => this.#now(),
      isGone: (head) => this.isGone(head),
      past: (id, version, budget) => this.#past(id, version, budget),
      repeat: (id, first, asked) => repeated(this, id, first, asked),
    };
  }

  /** Contexts in memory and their bytes; look-ups that found a lane in memory or none; evicted lanes. */
  get cache() {
    const { lookups, misses, evicted } = this.#lanes.counts;
    return { contexts: this.#lanes.size, bytes: this.#lanes.bytes, hits: lookups - misses, misses, evicted };
  }

  /** The most members that the values of one request may have. */
  get maxRequestMembers(): number {
    return this.#options.maxRequestMembers;
  }

  /** Creates or replaces. The context takes the value over: the caller must not change it afterwards. */
  set(id: string, value: JsonObject, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#edit(id, { kind: 'set', value }, { ...options, allowMissing: true });
  }

  /** Deep-merges `changes`, then applies the mutations in order. The context takes the values over. */
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
    const asked = ask(id, options, ['delete', options.expected, options.allowMissing], this.#budget.room());
    const need = options.expected?.checks ? 'value' : undefined;
    const written = this.#write(id, asked, (view) => remove(view, asked, this.#now()), need);
    return this.#once(id, asked, written);
  }

  /** Renews the time to live, or sets another one, in milliseconds. */
  async touch(id: string, ttl?: number): Promise<Head> {
    checkId(id);
    if (ttl !== undefined) checkTtl(ttl);
    if (this.#shared) await this.#lanes.get(id).refresh();
    return this.#laneFor(id).submit((view) => touch(view, ttl, this.#now()));
  }

  /** Starts the times of members again, or gives them another time to live, in milliseconds. Their values stay as they are. */
  async touchMembers(id: string, paths: readonly Path[], ttl?: number): Promise<Head> {
    checkId(id);
    checkTouched(paths, ttl);
    if (this.#shared) await this.#lanes.get(id).refresh();
    return this.#laneFor(id).submit((view) => touchMembers(view, paths, ttl, this.#now()));
  }

  /** Removes the members of a context whose time is over: no reader and no writer waits for this to be called. */
  async endMembers(id: string): Promise<void> {
    if (this.#shared) await this.#lanes.get(id).refresh();
    await this.#laneFor(id).endMembers();
  }

  /**
   * Several writes, each to a different context, as one: all or none. A repeat of a `requestId` answers the result of the
   * first try. The contexts take the values over.
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

  /** The context, and when which of its members expires. */
  getWithExpiries(id: string): Promise<ViewWithExpiries> {
    return withExpiries(this.#store, id, () => this.get(id));
  }

  /** The current document where the context stands at this position, else as `past.atPosition`. */
  async getAsOf(id: string, position: Position): Promise<View> {
    const view = await this.get(id);
    return samePosition(view.head.position, position) ? view : this.past.atPosition(id, position);
  }

  /** Restores the document of an earlier version of this life, whatever was written since. Throws as `past.atVersion`. */
  async revert(id: string, version: number, options: WriteOptions = {}): Promise<WriteResult> {
    if (version < 1) throw invalid('version', 'must be at least 1');
    const asked = ask(id, options, ['revert', version, options.expected, options.ttl], this.#budget.room());
    const write = (then: PointInTime) => (view: TipView) =>
      revert(view, then, asked, this.#now(), this.#budget.renew());
    const budget = pastBudget();
    const written = this.#past(id, version, budget).then((then) => this.#write(id, asked, write(then), 'value'));
    return { ...(await this.#once(id, asked, written)), read: bytesRead(budget) };
  }

  /** Heads in the byte order of their ids. A page may be short; while it has a token, there are more heads. */
  async list(prefix: string, options: PageOptions = {}): Promise<HeadPage> {
    for (;;) {
      const page = await headPage(this.#store, prefix, options, (head) => this.isGone(head));
      const due = page.heads.filter(({ head }) => this.hasDue(head));
      if (due.length === 0) return page;
      await Promise.all(due.map(({ id }) => this.endMembers(id)));
    }
  }

  /** What a client at position `known` lacks. Answers synchronously where the answer is in memory. */
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
   * What a client at position `known` lacks of the context as it was at position `at`, whatever was written since; null:
   * the context did not exist. Throws FAILED_PRECONDITION or NOT_FOUND where that position is no longer available.
   */
  async syncAt(id: string, known: Position | undefined, at: Position | null): Promise<SyncResult> {
    if (!at) return { kind: 'missing' };
    return answerAt(this.#store, await this.#freshLane(id), at, known, this.#options);
  }

  /** The parts of a context that a wait looks at; null where the context does not exist. As `holding`. */
  async look(id: string, awaited: Awaited, known: Position | undefined): Promise<Holding | null> {
    const lane = await this.#freshLane(id);
    if (lane.durable && this.#endIfExpired(id, lane.durable)) return null;
    return holding(this.#store, lane, awaited, known);
  }

  /** As `StoreCluster.heads`. Absent: this process writes all commits, and publishes each one. */
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
   * Removes the context if its time to live has ended, or if it has none and was neither written nor touched after
   * `idleSince`; where `at` is given, only at that position. Answers whether the context was removed.
   */
  async expire(id: string, idleSince?: number, at?: Position): Promise<boolean> {
    if (this.#shared) await this.#lanes.get(id).refresh();
    return this.#lanes.get(id).submit((view) => expire(view, this.#now(), idleSince, at));
  }

  /**
   * Stores an imported life, commit by commit. Answers false and stores nothing where the context exists. Throws ABORTED
   * where another server writes to the context meanwhile: the import then ends before its last commit.
   */
  async adopt(id: string, commits: readonly Commit[]): Promise<boolean> {
    if (!this.#options.keepExpired) await this.expire(id);
    try {
      return await storeAll(this.#store, id, commits);
    } finally {
      await this.#lanes.get(id).refresh(); // the lanes and watchers of this process do not have the commits yet
      this.#options.publish({ kind: 'reset', id });
    }
  }

  /** Whether a context with this head has expired and is therefore gone for every caller. */
  isGone(head: Head | null): boolean {
    return !this.#options.keepExpired && isExpired(head, this.#now());
  }

  /** Drops the deltas up to and including version `upTo`. Answers the number of dropped records. */
  async trim(id: string, upTo: number): Promise<number> {
    const count = await trim(this.#store, id, upTo, () => this.#lanes.get(id));
    this.#lanes.peek(id)?.forgetHistory(upTo);
    return count;
  }

  /** Merges old deltas as planned; answers the number of versions of which no record is retained any more. `dryRun`: would be. */
  async thin(id: string, plan: ThinningPlan, dryRun = false): Promise<number> {
    if (dryRun) return countThinned(this.#store, id, plan);
    const { count, upTo } = await thin(this.#store, id, plan, () => this.#lanes.get(id));
    if (count > 0) this.#lanes.peek(id)?.forgetHistory(upTo);
    return count;
  }

  /** A commit of another server. */
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

  /** The hot path: no promise beside the lane's own. */
  #edit(id: string, what: Edit, options: UpdateOptions): Promise<WriteResult> {
    try {
      const room = this.#budget.room();
      checkEdit(what, room);
      const asked = ask(id, options, [what, options.expected, options.ttl, options.allowMissing], room, what);
      const write = (view: TipView) => edit(view, what, asked, this.#now(), this.#budget.renew());
      return this.#once(id, asked, this.#write(id, asked, write, 'value'));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #write(id: string, { guard }: WriteRequest, write: Evaluation<WriteResult>, need?: Need) {
    const run = () => (this.#shared ? this.#writeShared(id, write, need) : this.#laneFor(id).write(write, need));
    return guard ? withRecords(this.#store, () => id, run) : run();
  }

  /** The answer of a write; for a request id that was committed before, the first answer. */
  #once(id: string, asked: WriteRequest, written: Promise<WriteResult | Duplicate>): Promise<WriteResult> {
    const { name } = asked;
    if (!name) return written as Promise<WriteResult>; // without a request id there is no duplicate
    const repeat = (first: Request) => repeated(this, id, recall(first, asked.fingerprint)[0]!, asked);
    return written.then(
      (result) => ('first' in result ? repeat(result.first) : result),
      async (error) => {
        // A refusal may only mean that the first try has done its work already.
        const first = await this.#store.recall(id, name.id, name.formerId);
        if (!first) throw error;
        return repeat(first);
      },
    );
  }

  /** With other servers, a refusal or an empty write is repeated after a refresh, since its tip may have been old. */
  async #writeShared(id: string, write: Evaluation<WriteResult>, need?: Need): Promise<WriteResult | Duplicate> {
    if (this.isGone(this.#lanes.get(id).tip)) await this.#lanes.get(id).refresh();
    try {
      const result = await this.#laneFor(id).write(write, need);
      if ('first' in result || result.changed) return result;
    } catch (error) {
      if (!isRefusal(error)) throw error;
    }
    await this.#lanes.get(id).refresh();
    return this.#laneFor(id).write(write, need);
  }

  /** Runs a write synchronously: a lane that was looked up before an await may have been evicted since. */
  #laneFor(id: string): Lane {
    const lane = this.#lanes.get(id);
    // An expired context is gone for every caller, swept or not. Where this removal fails, the write fails too.
    if (!this.#options.keepExpired && (!lane.live || this.isGone(lane.tip))) {
      lane.submit((view) => expire(view, this.#now())).catch(() => {});
    }
    return lane;
  }

  async #past(id: string, version: number, budget?: PastBudget): Promise<PointInTime> {
    return past(this.#store, await this.#living(id), version, budget);
  }

  /** NOT_FOUND for a context that has expired. */
  async #living(id: string): Promise<Lane> {
    const lane = await this.#freshLane(id);
    if (lane.durable && this.#endIfExpired(id, lane.durable)) throw notFound(id);
    return lane;
  }

  #answer<T>(lane: Lane, known: Position | undefined, form: Form<T>): SyncResult<T> | Promise<SyncResult<T>> {
    const head = lane.durable;
    if (!head) return { kind: 'missing' };
    if (this.#endIfExpired(lane.id, head)) return { kind: 'missing', removal: 'expired' };
    if (this.hasDue(head)) return this.#freshLane(lane.id).then((fresh) => this.#answer(fresh, known, form));
    return answer(lane, head, known, this.#options, form);
  }

  /** A lane with every commit acknowledged before this call. For reading only: the lane may have been evicted. */
  async #freshLane(id: string): Promise<Lane> {
    const lane = this.#lanes.get(id);
    if (this.#shared) await lane.refresh();
    else if (!lane.known) await lane.ready();
    if (!this.hasDue(lane.durable)) return lane;
    await lane.endMembers();
    return this.#freshLane(id);
  }

  /** Whether members may have expired which are still in the document. Those of a context that is gone do not matter. */
  hasDue(head: Head | null): boolean {
    return head?.members !== undefined && !this.isGone(head) && membersDue(head, this.#now());
  }

  /** Whether the context has expired. If so, the context is also removed, but no reader waits for the removal. */
  #endIfExpired(id: string, head: Head): boolean {
    if (!this.isGone(head)) return false;
    this.expire(id).catch(this.#options.onError);
    return true;
  }

  #now(): number {
    return this.#options.clock();
  }
}

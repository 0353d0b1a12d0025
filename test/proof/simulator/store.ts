/**
 * The store of one simulated server: what the contract of stores allows, and not more. Every call takes effect at some
 * moment between call and answer, and both may be late. Writes take effect in the order of the calls.
 *
 * Alone (as LMDB): writes gather, and some share a commit, whose effect is one moment; a commit that fails leaves the store
 * failed. Shared (as Redis): each write has its own moment; a write whose answer is lost is rejected, whether it happened or
 * not; the server may be cut off for a while.
 */
import { ChordError } from '../../../src/model/errors.js';
import type {
  BatchOperation,
  BatchOutcome,
  Commit,
  Due,
  History,
  Index,
  Outcome,
  Removal,
  Store,
  StoreCluster,
  StoreHealth,
  Thinning,
} from '../../../src/store/store.js';
import type { Random } from '../random.js';
import type { Disk } from './disk.js';
import { type Faults, SimulatedFeed } from './feed.js';
import type { Loop } from './loop.js';

interface Write {
  readonly run: () => Promise<unknown>;
  readonly resolve: (outcome: never) => void;
  readonly reject: (error: unknown) => void;
}

/** What the servers of a world share beside the data. */
export interface Shared {
  readonly clock: () => number;
  readonly lease: (name: string, ttl: number) => boolean;
  /** Whether another server has this lease. */
  readonly isOthers: (name: string) => boolean;
}

/** Of a server that does not end its turn. */
const TURN_MS = 50;
const TURN_LOOKS = 20;
const turnOf = (id: string) => `turn ${id}`;

export class SimulatedStore implements Store {
  /** False once its process is gone: nothing of it happens any more, and each call of it fails. */
  alive = true;
  /** Rejects everything; what was on the way may happen. */
  cutOff = false;
  readonly feed: SimulatedFeed | undefined;
  declare readonly cluster?: StoreCluster;
  readonly #listeners: ((health: StoreHealth) => void)[] = [];
  #line: Write[] = [];
  /** The calls under way. */
  readonly #pending = new Set<(error: unknown) => void>();
  #flushing = false;
  #failed = false;

  constructor(
    private readonly loop: Loop,
    private readonly random: Random,
    private readonly disk: Disk,
    private readonly around: {
      readonly faults: () => Faults;
      /** Called before each write of this store takes effect. */
      readonly committing: (store: SimulatedStore | undefined) => void;
    },
    private readonly shared: Shared | undefined,
    private readonly onFailure: () => void,
  ) {
    if (!shared) return;
    const feed = new SimulatedFeed(loop, random, around.faults, () => this.alive);
    this.feed = feed;
    this.cluster = {
      feed,
      clock: shared.clock,
      apart: () => [],
      heads: (ids) =>
        this.#read(async () => {
          const all = new Set([...ids, ...feed.tellBatches(ids)]);
          return new Map(await Promise.all([...all].map(async (id) => [id, await disk.store.head(id)] as const)));
        }),
      lease: (name, ttl) => this.#read(async () => shared.lease(name, ttl)),
      turns: {
        take: async (id) => {
          for (let looks = 0; looks < TURN_LOOKS; looks++) {
            if (await this.#read(async () => shared.lease(turnOf(id), TURN_MS))) return;
            await loop.sleep(random.below(10));
          }
        },
        end: (id) => void this.#write(async () => shared.lease(turnOf(id), 0)).catch(() => {}),
      },
    };
  }

  load(id: string) {
    return this.#read(() => {
      this.feed?.tellBatches([id]);
      return this.disk.store.load(id);
    });
  }

  head(id: string) {
    return this.#read(() => {
      this.feed?.tellBatches([id]);
      return this.disk.store.head(id);
    });
  }

  members(id: string) {
    return this.#read(() => this.disk.store.members(id));
  }

  recall(id: string, requestId: string) {
    return this.#read(() => this.disk.store.recall(id, requestId));
  }

  deltas(id: string, after: number, limit: number, maxBytes?: number): Promise<History> {
    return this.#read(() => this.disk.store.deltas(id, after, limit, maxBytes));
  }

  list(prefix: string, after: string | undefined, limit: number) {
    return this.#read(() => this.disk.store.list(prefix, after, limit));
  }

  due(index: Index, upTo: number, limit: number, after?: Due): Promise<readonly Due[]> {
    return this.#read(() => this.disk.store.due(index, upTo, limit, after));
  }

  commit(commit: Commit): Promise<Outcome> {
    return this.#write(async () => {
      const { id } = commit;
      if (this.shared?.isOthers(turnOf(id))) return { kind: 'conflict', head: await this.disk.store.head(id) };
      return this.disk.commit(commit);
    });
  }

  remove(removal: Removal): Promise<Outcome> {
    return this.#write(() => this.disk.remove(removal));
  }

  commitBatch(operations: readonly BatchOperation[]): Promise<BatchOutcome> {
    return this.#write(() => this.disk.commitBatch(operations));
  }

  trim(id: string, version: number): Promise<number> {
    return this.#write(() => this.disk.store.trim(id, version));
  }

  thin(thinning: Thinning): Promise<boolean> {
    return this.#write(() => this.disk.store.thin!(thinning));
  }

  forget(before: number, limit: number): Promise<number> {
    return this.#write(() => this.disk.store.forget(before, limit));
  }

  health(): StoreHealth {
    if (this.#failed) return { serving: false, readOnly: false, failed: true };
    return { serving: this.alive && !this.cutOff, readOnly: false };
  }

  onHealth(listener: (health: StoreHealth) => void): void {
    this.#listeners.push(listener);
  }

  async close(): Promise<void> {
    while (!this.#failed && (this.#line.length > 0 || this.#flushing)) await this.loop.sleep(1);
    this.die();
  }

  /**
   * The process is gone. In a real one all that waits ends with it; here it is rejected, so that it holds no slot of works
   * which the next servers share, in this history or a later one.
   */
  die(): void {
    this.alive = false;
    this.#line = [];
    for (const reject of this.#pending) reject(unavailable());
    this.#pending.clear();
  }

  /** A call that is settled by its answer, or by the end of the process. */
  #call<T>(start: (resolve: (value: T) => void, reject: (error: unknown) => void) => void): Promise<T> {
    if (!this.alive) return Promise.reject(unavailable());
    return new Promise<T>((resolve, reject) => {
      this.#pending.add(reject);
      const first = (settle: (value: never) => void) => (value: unknown) => {
        this.#pending.delete(reject);
        settle(value as never);
      };
      start(first(resolve), first(reject));
    });
  }

  #read<T>(look: () => Promise<T>): Promise<T> {
    return this.#call((resolve, reject) => {
      const answer = (run: () => void) => this.#later(run);
      this.#later(() => {
        const fails = this.#failed || this.cutOff || this.random.chance(this.around.faults().readFails);
        if (fails) {
          answer(() => reject(unavailable()));
          return;
        }
        this.disk.moment(look).then(
          (found) => answer(() => resolve(found)),
          (error) => answer(() => reject(error)),
        );
      });
    });
  }

  #write<T>(run: () => Promise<T>): Promise<T> {
    return this.#call((resolve, reject) => {
      if (this.#failed) return reject(unavailable());
      this.#line.push({ run, resolve: resolve as (outcome: never) => void, reject });
      if (this.#flushing) return;
      this.#flushing = true;
      void this.#flush();
    });
  }

  async #flush(): Promise<void> {
    while (this.#line.length > 0 && this.alive) {
      await this.loop.sleep(this.#delay());
      if (!this.alive) return;
      const turn = this.#line.splice(0, this.cluster ? 1 : 1 + this.random.below(this.#line.length));
      const lost = this.cutOff || this.random.chance(this.around.faults().commitLost);
      if (!lost || this.random.chance(0.5)) await this.#carryOut(turn, lost);
      else await this.#refuse(turn);
      if (lost && !this.cluster) return this.#fail();
    }
    this.#flushing = false;
  }

  /** All of them in one moment. */
  async #carryOut(turn: readonly Write[], lost: boolean): Promise<void> {
    const outcomes = await this.disk.moment(async () => {
      const settled: PromiseSettledResult<unknown>[] = [];
      // What this server is not answered, it gets messages of, as the Redis store does.
      this.around.committing(lost ? undefined : this);
      for (const { run } of turn) settled.push(...(await Promise.allSettled([run()])));
      return settled;
    });
    if (!this.cluster) await this.loop.sleep(this.#delay());
    turn.forEach(({ resolve, reject }, i) => {
      const outcome = outcomes[i]!;
      const answer = () => {
        if (lost) reject(unavailable());
        else if (outcome.status === 'fulfilled') resolve(outcome.value as never);
        else reject(outcome.reason);
      };
      this.#later(answer);
    });
  }

  async #refuse(turn: readonly Write[]): Promise<void> {
    for (const { reject } of turn) this.#later(() => reject(unavailable()));
  }

  /** As the LMDB store after an error of the disk: nothing is tried again. */
  #fail(): void {
    this.#failed = true;
    for (const { reject } of this.#line.splice(0)) reject(unavailable());
    for (const listener of this.#listeners) listener(this.health());
    this.onFailure();
  }

  #later(run: () => void): void {
    const delay = this.#delay();
    if (delay === 0 && this.random.chance(0.7)) run();
    else this.loop.later(delay, () => this.alive && run());
  }

  #delay(): number {
    if (this.random.chance(0.5)) return 0;
    return this.random.below(
      this.random.chance(0.03) ? 50 * this.around.faults().delayMax : this.around.faults().delayMax,
    );
  }
}

function unavailable(): ChordError {
  return new ChordError('UNAVAILABLE', 'the simulated store does not answer', { retryAfter: 10 });
}

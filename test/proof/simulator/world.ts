/**
 * One simulated history: servers, clients, readers and faults, all by one seed. Whatever happens is checked as it happens;
 * in the end the faults stop, and everything must come right: each reader has what is durable, each server reads it, and
 * nothing is left in memory. Throws what is wrong.
 */
import { isDeepStrictEqual } from 'node:util';
import { isUnavailable } from '../../../src/model/errors.js';
import type { BatchOperation, FeedEvent } from '../../../src/store/store.js';
import type { Copy } from '../../support/reader.js';
import { documentOf } from '../../support/reader.js';
import { check } from '../checker/check.js';
import type { History } from '../checker/history.js';
import { Random } from '../random.js';
import { make, runClient, type Surroundings } from './client.js';
import { Disk, nameOf } from './disk.js';
import type { Faults } from './feed.js';
import { Judge } from './judge.js';
import { Loop } from './loop.js';
import { Readers } from './readers.js';
import { checkOf, IDS, mark, marked, past, STEADY } from './requests.js';
import { type EngineSettings, SimulatedServer } from './server.js';
import { SimulatedStore } from './store.js';
import { Waits } from './waits.js';

const START = 1_700_000_000_000;
const STEPS_MAX = 60_000;
/** What a history of some seconds is thinned by. */
const TIERS = [
  [{ age: 1_000_000, every: 200 }],
  [
    { age: 200, every: 0 },
    { age: 10_000_000, every: 500 },
  ],
];
const TARGETS = [['a'], ['a', 'b'], ['*'], ['r:*'], ['t:*', 'a'], ['zz', '*', 'b'], ['t:1']];

export interface Told {
  readonly steps: number;
  readonly calls: number;
  readonly deliveries: number;
  readonly kills: number;
  /** What the clients were answered; it was in order. */
  readonly history: History;
}

/** Runs the history of a seed. `tell` receives what happens, line by line. */
export async function simulate(seed: number, tell: (line: string) => void = () => {}): Promise<Told> {
  const random = new Random(seed);
  const loop = new Loop(random);
  loop.install();
  try {
    return await new World(random, loop, tell).run();
  } finally {
    loop.uninstall();
  }
}

class World {
  readonly #disk: Disk;
  readonly #judge: Judge;
  readonly #waits: Waits;
  readonly #shared: boolean;
  readonly #thins: boolean;
  readonly #settings: EngineSettings;
  #faults: Faults;
  readonly #servers: (SimulatedServer | undefined)[];
  readonly #readers: Readers;
  readonly #leases = new Map<string, { readonly store: SimulatedStore; readonly until: number }>();
  #skew = 0;
  #latest = 0;
  #turnedBack = false;
  /** The step at which the clock was last set back. */
  #setBackAt = Number.NEGATIVE_INFINITY;
  #committing: SimulatedStore | undefined;
  #kills = 0;
  #calm = false;
  /** More readers than the hub offers an event to in one turn. */
  readonly #crowd: number;

  constructor(
    private readonly random: Random,
    private readonly loop: Loop,
    private readonly tell: (line: string) => void,
  ) {
    this.#disk = new Disk(
      ({ idle, at }) => at <= this.#latest && (!idle || this.#judge.idleMayGo),
      (operations, made) => this.#committed(operations, made),
      (error) => {
        this.#judge.failure ??= error;
      },
    );
    this.#judge = new Judge(
      this.#disk,
      () => this.#latest,
      ({ called }) => called <= this.#setBackAt,
    );
    this.#readers = new Readers({
      ...{ loop, random, disk: this.#disk, judge: this.#judge },
      server: () => this.#aServer(),
      clock: () => this.#clock(),
      turnedBack: () => this.#turnedBack,
    });
    this.#waits = new Waits(loop, this.#disk, this.#judge);
    this.#thins = random.chance(0.4);
    this.#shared = random.chance(0.5);
    this.#servers = Array<undefined>(this.#shared ? 1 + random.below(3) : 1).fill(undefined);
    this.#judge.idleMayGo = random.chance(0.2);
    this.#settings = {
      cacheBytes: random.pick([0, 0, 4000, 100_000_000]),
      deltaThreshold: random.pick([1, 3, 100]),
    };
    this.#crowd = random.chance(0.03) ? 36 : 0;
    const harsh = random.chance(0.7);
    this.#faults = {
      commitLost: harsh ? random.pick([0, 0.01, 0.1]) : 0,
      readFails: harsh && this.#shared ? random.pick([0, 0.02]) : 0,
      messageLost: harsh ? random.pick([0, 0.05, 0.5]) : 0,
      messageRepeated: harsh ? random.pick([0, 0.2]) : 0,
      delayMax: random.pick([1, 4, 40]),
    };
  }

  async run(): Promise<Told> {
    const { loop, random } = this;
    const network = {
      lost: random.pick([0, 0.02, 0.15]),
      repeated: random.pick([0, 0.1]),
      delayMax: random.pick([1, 5, 100]),
    };
    const around = {
      edits: random.chance(0.3),
      ...{ loop, random, network, disk: this.#disk, judge: this.#judge },
      server: () => this.#aServer(),
      clock: () => this.#clock(),
    };
    const script = async () => {
      await Promise.all(this.#servers.map((_, i) => this.#start(i)));
      for (let i = 0; i < this.#crowd; i++) this.#readers.watch(['*'], new Map());
      const clients = Array.from({ length: 1 + random.below(4) }, (_, i) => runClient(around, `c${i}`, 12));
      const nemesis = this.#nemesis();
      await Promise.all(clients);
      this.#calm = true;
      await nemesis;
      await this.#finish({ ...around, network: { lost: 0, repeated: 0, delayMax: 1 } });
    };
    const done = script();
    await loop.until(done, STEPS_MAX, () => this.#check());
    const history = this.#judge.history();
    const [violation] = check(history);
    if (violation) throw new Error(`the history: ${violation.kind}: ${violation.message}`);
    const [steps, calls] = [loop.steps, this.#judge.calls.length];
    return { steps, calls, deliveries: this.#readers.deliveries, kills: this.#kills, history };
  }

  /** After each step. */
  #check(): void {
    if (this.#judge.failure) throw this.#judge.failure;
    this.#readers.check();
  }

  #clock(): number {
    const now = START + this.loop.now + this.#skew;
    this.#latest = Math.max(this.#latest, now);
    return now;
  }

  #aServer(): SimulatedServer | undefined {
    const alive = this.#servers.flatMap((server) => (server?.alive ? server : []));
    return alive.length > 0 ? this.random.pick(alive) : undefined;
  }

  #runs(index: number): boolean {
    return this.#servers[index]?.alive === true;
  }

  async #start(index: number): Promise<void> {
    const shared = this.#shared
      ? {
          clock: () => this.#clock(),
          lease: (name: string, ttl: number) => this.#lease(store, name, ttl),
          isOthers: (name: string) => this.#isOthers(store, name),
        }
      : undefined;
    const store: SimulatedStore = new SimulatedStore(
      ...([this.loop, this.random, this.#disk] as const),
      {
        faults: () => this.#faults,
        committing: (by) => {
          this.#committing = by;
        },
      },
      shared,
      () => void this.#crash(index),
    );
    const server = await SimulatedServer.start(store, () => this.#clock(), this.#settings);
    this.#servers[index] = server;
    this.tell(`${this.loop.now} server ${index} starts`);
  }

  #lease(store: SimulatedStore, name: string, ttl: number): boolean {
    if (this.#isOthers(store, name)) return false;
    this.#leases.set(name, { store, until: this.loop.now + ttl });
    return true;
  }

  #isOthers(store: SimulatedStore, name: string): boolean {
    const lease = this.#leases.get(name);
    return lease !== undefined && lease.store !== store && lease.until > this.loop.now;
  }

  /** A change is durable: it is judged, and the other servers get messages of it. */
  #committed(operations: readonly BatchOperation[], made: readonly string[]): void {
    const events: FeedEvent[] = [];
    for (const operation of operations) {
      const { id } = operation;
      const chain = this.#disk.chainOf(id);
      const state = chain.at(-1)!;
      if (made.includes(id)) {
        this.tell(
          `${this.loop.now} durable: ${id} ${state.position ? nameOf(state.position) : `gone (${state.reason})`}${state.expired ? ' (members expired)' : ''}`,
        );
        if (state.position) this.#judge.committed(id, chain.at(-2)!, state);
      }
      if ('reason' in operation && operation.expected) {
        events.push({ kind: 'removed', id, reason: operation.reason, position: operation.expected });
      }
      if (!('head' in operation)) continue;
      const { head, payload, expected } = operation;
      const record = payload && { position: head.position, at: head.updatedAt, ...payload };
      events.push(record ? { kind: 'committed', id, from: expected, record } : { kind: 'moved', id });
    }
    for (const server of this.#servers) {
      if (server?.alive && server.store !== this.#committing) server.store.feed?.publish(operations, events);
    }
  }

  async #nemesis(): Promise<void> {
    const { random, loop } = this;
    const weights = {
      ...{ watch: 8, end: 2, stall: 4, resume: 6, beat: 4, wait: 6, sweep: this.#thins ? 6 : 3, trim: 2 },
      ...{
        kill: random.pick([0, 1, 3]),
        stop: random.pick([0, 1]),
        cut: this.#shared ? 1 : 0,
        jump: random.pick([0, 0, 1]),
      },
    };
    while (!this.#calm) {
      await loop.sleep(random.below(80));
      const what = random.weighted(weights);
      this.tell(`${loop.now} ${what}`);
      await this.#happens(what);
    }
  }

  async #happens(what: string): Promise<void> {
    const { random, loop } = this;
    const index = random.below(this.#servers.length);
    const server = this.#servers[index];
    const reader = this.#readers.size > 0 ? random.pick([...this.#readers]) : undefined;
    if (what === 'watch' && this.#readers.size < this.#crowd + 5)
      this.#readers.watch(random.pick(TARGETS), this.#someCopies());
    else if (what === 'wait' && server?.alive && this.#waits.size < 5) {
      const check = random.chance(0.3) ? checkOf(random) : marked(this.#judge.calls.length + random.below(10));
      this.#waits.open(server, random.pick(IDS), [check]);
    } else if (what === 'end' && reader) this.#readers.end(reader);
    else if (what === 'stall' && reader) reader.room = random.below(3);
    else if (what === 'resume' && reader) reader.resume();
    else if (what === 'beat' && reader) reader.watcher.heartbeat();
    else if (what === 'kill' && server?.alive) await this.#crash(index);
    else if (what === 'stop' && server?.alive) await this.#stop(index);
    else if (what === 'jump') this.#jump(random.pick([-3_600_000, -50, 60_000, 3_600_000]));
    else if (what === 'sweep' && server?.alive) this.#sweep(server);
    else if (what === 'trim' && server?.alive)
      server.engine.contexts.trim(random.pick(IDS), random.below(20)).catch(() => {});
    else if (what === 'cut' && server?.alive) {
      server.store.cutOff = true;
      loop.later(random.below(2500), () => {
        server.store.cutOff = false;
        server.store.feed?.gap();
      });
    }
  }

  #jump(by: number): void {
    this.#skew += by;
    if (by >= 0) return;
    this.#turnedBack = true;
    this.#setBackAt = this.loop.steps;
  }

  #sweep(server: SimulatedServer): void {
    const options = {
      contextAutoDelete: this.#judge.idleMayGo && this.random.chance(0.3),
      contextTtl: 500,
      deltaTtl: this.random.pick([1, 1000, 10_000_000]),
      deltaThreshold: this.random.pick([1, 3, 100]),
      ...(this.#thins && { deltaRetention: this.random.pick(TIERS) }),
    };
    server.engine.cleanup.run({ options }).catch((error) => {
      if (!isUnavailable(error)) this.#judge.failure ??= error;
    });
  }

  /** As a client does that was here before. */
  #someCopies(): ReadonlyMap<string, Copy> {
    const known = new Map<string, Copy>();
    for (const id of IDS) {
      if (!this.random.chance(0.2)) continue;
      const { position, document, seen } = this.random.pick(this.#disk.chainOf(id));
      if (position && seen) known.set(id, { position, value: document });
    }
    return known;
  }

  async #crash(index: number): Promise<void> {
    const server = this.#servers[index];
    if (!server?.alive) return;
    this.#kills++;
    this.#waits.drop(server);
    server.kill();
    await this.#replace(index, server);
  }

  /** As by SIGTERM: what was accepted is answered, and the store is closed. */
  async #stop(index: number): Promise<void> {
    const server = this.#servers[index]!;
    this.#readers.leave(server);
    this.#waits.drop(server);
    this.#servers[index] = undefined;
    await server.engine.close();
    await this.#replace(index, server);
  }

  async #replace(index: number, server: SimulatedServer): Promise<void> {
    this.#servers[index] = undefined;
    this.#readers.leave(server);
    await this.loop.sleep(this.random.below(300));
    if (!this.#runs(index)) await this.#start(index);
  }

  /** Nothing fails any more. */
  async #finish(around: Surroundings): Promise<void> {
    const { loop } = this;
    this.tell(`${loop.now} the faults end`);
    this.#faults = { ...this.#faults, commitLost: 0, readFails: 0, messageLost: 0 };
    await loop.sleep(5000);
    for (const i of this.#servers.keys()) if (!this.#runs(i)) await this.#start(i);
    for (const server of this.#servers as SimulatedServer[]) {
      server.store.cutOff = false;
      const through = { ...around, server: () => server };
      await this.#answers(through, server);
      await Promise.all(IDS.map((id) => make(through, 'last', past(this.random, this.#disk, id))));
      server.store.feed?.gap();
    }
    // Waits until what is due to expire has been removed, and watches that ended have been opened again.
    await loop.sleep(20_000);
    await this.#readers.finish();
    this.#waits.finish();
    for (const server of this.#servers as SimulatedServer[]) {
      for (const id of IDS) await this.#reads(server, id);
      const { hub, contexts } = server.engine;
      if (hub.watched > 0) throw new Error(`${hub.watched} are watched, and no reader is left`);
      if (contexts.cache.bytes > Math.max(this.#settings.cacheBytes, 5000)) {
        throw new Error(`${contexts.cache.bytes} bytes are cached`);
      }
      await server.engine.close();
    }
  }

  /** Two writes in one moment: a wait for the second is answered, though it may look at the first when the second comes. */
  async #answers(around: Surroundings, server: SimulatedServer): Promise<void> {
    const { loop, random } = this;
    const { calls } = this.#judge;
    const id = random.pick(STEADY);
    const number = calls.length;
    this.#waits.open(server, id, [marked(number + 2)]);
    await loop.sleep(random.below(5000));
    await Promise.all([number + 1, number + 2].map((each) => make(around, 'last', mark(id, each))));
    await loop.sleep(5000);
    const { name, returned } = calls[number]!;
    if (returned === Number.POSITIVE_INFINITY) throw new Error(`${name} is not answered`);
  }

  async #reads(server: SimulatedServer, id: string): Promise<void> {
    const view = await server.engine.contexts.get(id).catch((error) => {
      if (error.reason !== 'NOT_FOUND') throw error;
    });
    const { position, document } = this.#disk.newest(id);
    const found = view && { position: view.head.position, document: documentOf(view) };
    if (!isDeepStrictEqual(found, position && { position, document })) {
      throw new Error(`${id} reads as ${JSON.stringify(found)}, and is ${JSON.stringify({ position, document })}`);
    }
  }
}

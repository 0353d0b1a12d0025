/**
 * Servers that are killed again and again while 200 clients write, at random moments and at named points. What was
 * acknowledged is kept here, outside; after each restart all of it must be there, whatever else happened wholly or not at
 * all, repeats must be answered as the first time, watchers must go on without a gap, and the history must be in order.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Copy, fold, follow, Peer, Reader } from '../../support/chord.js';
import { Running, readyServer, type Server } from '../../support/cli.js';
import { chainsOf } from '../checker/chains.js';
import { check } from '../checker/check.js';
import { Random } from '../random.js';
import { compileKiller, type Place } from './places.js';
import { BatchWriter, ComeAndGo, Counter, Recorder, read, stateOf, type Writer } from './writers.js';

const COUNTERS = 170;
const SHARED = 4;
const CONNECTIONS = 8;
const WATCHERS = 12;
/** New contexts from time to time: a log is read whole after each kill. */
const ROUNDS_PER_SET = 20;

/** Where no kill has come after so long, it comes: in milliseconds. */
const PATIENCE = 60_000;

export interface Killed {
  kills: number;
  /** Of these at named points, by point. */
  readonly named: Record<string, number>;
  acknowledged: number;
  deliveries: number;
  operations: number;
}

export class Harness {
  readonly total: Killed = { kills: 0, named: {}, acknowledged: 0, deliveries: 0, operations: 0 };
  readonly #directory = mkdtempSync(join(tmpdir(), 'chord-killer-'));
  readonly #killer = compileKiller(this.#directory);
  readonly #armed = join(this.#directory, 'armed');
  readonly #random: Random;
  #servers: Server[] = [];
  #writers: Writer[] = [];
  #shared: string[] = [];
  /** The server that ends at a named point, once it is armed. */
  #named: { readonly server: number; readonly point: string } | undefined;
  #lastPoint = 0;
  /** The part of each history that was checked. */
  #checked = new Map<string, Copy>();
  #watched: ReadonlyMap<string, Copy>[] = [];

  constructor(
    private readonly place: Place,
    seed: number,
  ) {
    this.#random = new Random(seed);
    for (const point of place.points.keys()) this.total.named[point] = 0;
  }

  /** One kill. Throws what is wrong. */
  async round(number: number): Promise<void> {
    if (number % ROUNDS_PER_SET === 0) this.#begin(number);
    await this.#start();
    const peers = Array.from({ length: CONNECTIONS }, (_, i) => new Peer(this.#addressOf(i)));
    const [peer] = peers as [Peer];
    if (number % ROUNDS_PER_SET === 0) for (const contextId of this.#shared) await peer.set({ contextId, value: {} });
    const recorder = new Recorder();
    const readers = Array.from({ length: WATCHERS }, (_, i) => {
      const from = this.#watched[i] ?? new Map<string, Copy>();
      const reader = Reader.resume(peers[i % CONNECTIONS]!, { prefix: '' }, from);
      return { reader, shown: follows(reader) };
    });
    await Promise.all(readers.map(({ reader }) => reader.caughtUp()));
    await this.#check(peer, readers);

    // Killed at a named point from now on, or after so many answers.
    let answers = 0;
    const named = this.#named;
    const target = named ? Number.POSITIVE_INFINITY : 100 + this.#random.below(1500);
    const victim = this.#servers[named?.server ?? this.#random.below(this.#servers.length)]!;
    if (named) writeFileSync(this.#armed, '');
    const onAnswer = () => {
      this.total.acknowledged++;
      if (++answers === target) victim.send('SIGKILL');
    };
    let byItself = named !== undefined;
    const late = setTimeout(() => {
      byItself = false;
      victim.send('SIGKILL');
    }, PATIENCE);
    const writing = this.#writers.map((writer, i) => writer.write(peers[i % CONNECTIONS]!, recorder, onAnswer));
    const reading = this.#shared.map((id, i) => read(peers[i % CONNECTIONS]!, id, recorder));
    await victim.end();
    clearTimeout(late);
    for (const server of this.#servers) await server.end('SIGKILL');
    await Promise.all([...writing, ...reading]);
    await Promise.all(readers.map(({ reader }) => reader.end()));
    this.#watched = readers.map(({ shown }) => shown.copies);
    for (const each of peers) each.client.close();
    this.total.kills++;
    this.total.deliveries += readers.reduce((sum, { reader }) => sum + reader.log.length, 0);
    if (named && byItself) this.total.named[named.point]!++;
    this.#checkOrder(recorder);
    this.#acknowledged = recorder.acknowledged;
    await this.place.betweenRounds(number);
  }

  #acknowledged: ReadonlyMap<string, string> = new Map();

  async close(): Promise<void> {
    for (const server of this.#servers) await server.end('SIGKILL');
    await this.place.destroy();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  #begin(number: number): void {
    this.#shared = Array.from({ length: SHARED }, (_, i) => `s${number}:${i}`);
    this.#writers = [
      ...Array.from({ length: COUNTERS }, (_, i) => new Counter(`w${i}`, this.#shared[i % SHARED]!, i % 2 === 0)),
      ...Array.from({ length: 15 }, (_, i) => new BatchWriter(`b${number}-${i}`)),
      ...Array.from({ length: 15 }, (_, i) => new ComeAndGo(`g${number}:${i}`)),
    ];
    this.#checked = new Map();
    this.#acknowledged = new Map();
    this.#watched = [];
  }

  async #start(): Promise<void> {
    const { args, points, servers } = this.place;
    rmSync(this.#armed, { force: true });
    this.#named = undefined;
    if (this.#random.chance(0.5)) {
      const point = [...points.keys()][this.#lastPoint++ % points.size]!;
      this.#named = { server: this.#random.below(servers), point };
    }
    const { server: named = -1, point = '' } = this.#named ?? {};
    this.#servers = await Promise.all(
      Array.from({ length: servers }, async (_, i) => {
        const env: Record<string, string> =
          i === named
            ? {
                LD_PRELOAD: this.#killer,
                KILL_ARMED: this.#armed,
                KILL_POINT: point,
                KILL_COUNT: `${1 + this.#random.below(points.get(point)!)}`,
              }
            : {};
        // A machine that does other work must not make the servers refuse the harness.
        const patient = ['--max-event-loop-delay', 'off', '--delta-threshold', '100000'];
        const all = ['serve', '--log-level', 'error', '--listen', '127.0.0.1:0', ...patient, ...args];
        return readyServer(new Running(all, undefined, env));
      }),
    );
  }

  #addressOf(connection: number): string {
    return this.#servers[connection % this.#servers.length]!.address;
  }

  /** What is there after a restart, before anything new is written. */
  async #check(peer: Peer, readers: readonly { readonly reader: Reader }[]): Promise<void> {
    for (const id of this.#shared) {
      const before = this.#checked.get(id);
      const { deltas } = await peer.history(id, before?.position.version ?? 0);
      const states = new Set(deltas.map(({ to }) => stateOf(to!)));
      for (const [name, state] of this.#acknowledged) {
        if (name.startsWith(`${id} `) && !states.has(state) && !this.#isOld(id, state)) {
          throw new Error(`${id}: ${state} was acknowledged, and is lost`);
        }
      }
      const copy = before ? deltas.reduce(follow, before) : fold(deltas);
      const { context } = await peer.get({ contextId: id });
      if (JSON.stringify(context!.value) !== JSON.stringify(copy.value)) throw new Error(`${id} is not its history`);
      this.#checked.set(id, copy);
      for (const { reader } of readers) {
        const seen = reader.copies.get(id);
        if (seen && stateOf(seen.position) === stateOf(copy.position)) continue;
        throw new Error(`a watcher has ${id} at ${seen?.position.version}, not at ${copy.position.version}`);
      }
    }
    const problems = await Promise.all(this.#writers.map((writer) => writer.problem(peer)));
    const [problem] = problems.flatMap((each) => each ?? []);
    if (problem) throw new Error(problem);
  }

  /** Acknowledged by a repeat: it was there at the last check. */
  #isOld(id: string, state: string): boolean {
    const before = this.#checked.get(id);
    return before !== undefined && Number(state.split(':')[1]) <= before.position.version;
  }

  #checkOrder({ operations }: Recorder): void {
    this.total.operations += operations.length;
    const [violation] = check({ chains: chainsOf(operations), operations });
    if (violation) throw new Error(`${violation.kind}: ${violation.message}`);
  }
}

/** What the reader may show: that of a group whose end did not come is not shown, and not resumed from. */
function follows(reader: Reader): { copies: ReadonlyMap<string, Copy> } {
  const shown = { copies: new Map(reader.copies) as ReadonlyMap<string, Copy> };
  reader.onSettled = () => {
    shown.copies = new Map(reader.copies);
  };
  return shown;
}

/** Watchers that cost memory: those that read nothing while much is written, and those that have nothing to read (P20). */
import { setTimeout as sleep } from 'node:timers/promises';
import { statusOf } from '../chatroom.js';
import { type Figure, ratio, type Target, using } from '../figures.js';
import { closeAll } from '../load.js';
import { median } from '../measure.js';
import { type Contender, centrifugo, chord, type Link, nats, type Start } from '../peers/contenders.js';
import type { Plan } from '../plan.js';
import { startable } from './own-connections.js';

const READERS = 200;
const IDLE = 1000;
const UPDATES = 4000;
const IN_FLIGHT = 20;
/** Of the field that is written: so long that the updates do not fit into the buffers of the operating system. */
const FIELD_BYTES = 2000;
const WARM_UP = 500;
const SETTLED_MS = 1000;
/** Until all are current again, at most. */
const PATIENCE_MS = 30_000;
const MB = 1e6;

export const p20: Target = {
  id: 'P20',
  title: `${READERS} stalled readers, and ${IDLE.toLocaleString('en')} idle watchers, each on a connection of its own`,
  seconds: 75,
  async run(plan): Promise<Figure[]> {
    const updates = plan.quick ? UPDATES / 4 : UPDATES;
    const starts = startable(plan, 'P20', { chord: (keep) => chord(keep), nats, centrifugo });
    const stalled = await inRounds(plan, starts, 'stalled', (contender) => stall(contender, updates));
    const idle = await inRounds(plan, starts, 'idle', idleMemory);
    const crowd = `${READERS} readers stall while ${updates.toLocaleString('en')} updates of 2 KB come`;
    return [
      ...beside(stalled, `${crowd}: memory growth (most)`, 'MB', ({ growth }) => growth / MB),
      ...beside(stalled, `${crowd}: dropped by the server`, 'readers', ({ dropped }) => dropped),
      ...beside(stalled, 'the same, until all are current after they resume', 'ms', ({ currentMs }) => currentMs),
      ...beside(stalled, 'the same, received until then', 'bytes/client', ({ bytes }) => bytes / READERS),
      ...beside(idle, `memory of each of ${IDLE.toLocaleString('en')} idle watchers`, 'bytes', (bytes) => bytes),
    ];
  },
};

/** What each contender took, round by round, by its name; Chord is the first. Each round has a server of its own. */
async function inRounds<T>(
  plan: Plan,
  starts: readonly Start[],
  what: string,
  measure: (contender: Contender) => Promise<T>,
): Promise<Map<string, T[]>> {
  const taken = new Map<string, T[]>();
  const rounds = plan.quick ? 1 : Math.min(3, plan.rounds);
  for (let round = 0; round < rounds; round++) {
    for (const start of starts) {
      await using(async (keep) => {
        const contender = await start(keep);
        plan.progress(`${what}, round ${round + 1} of ${rounds}, ${contender.name}`);
        taken.set(contender.name, [...(taken.get(contender.name) ?? []), await measure(contender)]);
      });
    }
  }
  return taken;
}

/** One figure for each peer. */
function beside<T>(taken: Map<string, T[]>, name: string, unit: string, of: (round: T) => number): Figure[] {
  const [ours, ...peers] = [...taken].map(([against, rounds]) => ({ against, values: rounds.map(of) }));
  return peers.map(({ against, values }) => {
    const ratios = values.map((value, round) => ours!.values[round]! / value);
    const range = ratios.every(Number.isFinite) ? ([Math.min(...ratios), Math.max(...ratios)] as const) : undefined;
    const both = { ours: median(ours!.values), peer: median(values), against, range };
    return ratio({ target: 'P20', name: `${name}, beside ${against.split(',')[0]}`, unit, ...both });
  });
}

/** Of the server, in bytes. */
async function idleMemory({ server, connect }: Contender): Promise<number> {
  const before = server.memory();
  const links: Link[] = [];
  try {
    for (let n = 0; n < IDLE; n += 100) {
      const some = await Promise.all(Array.from({ length: 100 }, connect));
      links.push(...some);
      await Promise.all(some.map((link) => link.watch(() => {})));
    }
    await sleep(SETTLED_MS);
    return (server.memory() - before) / IDLE;
  } finally {
    closeAll(links);
  }
}

interface Stalled {
  /** Of the server's memory while the readers were stalled, the most, in bytes. */
  readonly growth: number;
  readonly dropped: number;
  /** Until each has the last write, from the moment they read again; those that were dropped come back. */
  readonly currentMs: number;
  /** All messages that the readers received in that time. */
  readonly bytes: number;
}

export async function stall(contender: Contender, updates: number): Promise<Stalled> {
  const { server } = contender;
  const readers = await Promise.all(Array.from({ length: READERS }, () => Reader.join(contender)));
  try {
    await writeAll(contender, WARM_UP);
    const reading = expectAll(readers, READ);
    const known = await contender.write(0, READ);
    await inTime(contender.name, readers, reading);
    // From now on: one that is dropped may come back at once.
    const current = expectAll(readers, LAST);
    for (const reader of readers) reader.stall(known);
    const before = server.memory();
    let most = before;
    const look = () => {
      most = Math.max(most, server.memory());
    };
    const looking = setInterval(look, 50);
    await writeAll(contender, updates);
    await contender.write(0, LAST);
    await sleep(SETTLED_MS);
    clearInterval(looking);
    look();
    const begin = performance.now();
    for (const reader of readers) reader.resume();
    await inTime(contender.name, readers, current);
    const currentMs = performance.now() - begin;
    const sum = (of: (reader: Reader) => number) => readers.reduce((total, reader) => total + of(reader), 0);
    const [dropped, bytes] = [sum((reader) => reader.dropped), sum((reader) => reader.bytes)];
    return { growth: most - before, dropped, currentMs, bytes };
  } finally {
    closeAll(readers);
  }
}

const [READ, LAST] = ['the last that they read', 'the last of all'];

/** Resolves when each reader has received this status. */
function expectAll(readers: readonly Reader[], status: string): Promise<unknown> {
  const all = Promise.all(readers.map((reader) => reader.expect(status)));
  // Where a write fails meanwhile, the benchmark tells of that.
  all.catch(() => {});
  return all;
}

async function inTime(name: string, readers: readonly Reader[], current: Promise<unknown>): Promise<void> {
  const late = sleep(PATIENCE_MS, 'late', { ref: false });
  if ((await Promise.race([current, late])) !== 'late') return;
  const lacking = readers.filter((reader) => !reader.current).length;
  throw new Error(`${name}: ${lacking} of ${READERS} stalled readers are not current after ${PATIENCE_MS / 1000} s`);
}

async function writeAll({ write }: Contender, updates: number): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let n = next++; n < updates; n = next++) await write(n, statusOf(n).padEnd(FIELD_BYTES, '.'));
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, worker));
}

/** A client. When the server has dropped it, it comes back: from where it stood, or with all if that is too old. */
class Reader {
  bytes = 0;
  dropped = 0;
  current = true;
  #wanted = '';
  #reached: () => void = () => {};
  #failed: (error: Error) => void = () => {};
  #link!: Link;
  #closing = false;

  static async join(contender: Contender): Promise<Reader> {
    const reader = new Reader(contender);
    await reader.#watch(undefined);
    return reader;
  }

  private constructor(private readonly contender: Contender) {}

  /** Resolves when the client has received this status. */
  expect(status: string): Promise<void> {
    this.#wanted = status;
    this.current = false;
    return new Promise((resolve, reject) => {
      this.#reached = resolve;
      this.#failed = reject;
    });
  }

  stall(known: unknown): void {
    this.bytes = 0;
    this.#link.pause();
    void this.#link.ended.then(() => {
      if (this.#closing) return;
      this.dropped++;
      this.#comeBack(known).catch(this.#failed);
    });
  }

  resume(): void {
    this.#link.resume();
  }

  close(): void {
    this.#closing = true;
    this.#link.close();
  }

  async #comeBack(known: unknown): Promise<void> {
    try {
      await this.#watch(known);
    } catch {
      this.#link.close();
      await this.#watch(undefined);
    }
    // It learns that it was dropped when it reads again, after the last write.
    this.#arrive();
  }

  async #watch(known: unknown): Promise<void> {
    this.#link = await this.contender.connect();
    await this.#link.watch((message) => this.#receive(message), known);
  }

  #receive(message: Buffer): void {
    this.bytes += message.length;
    if (message.includes(this.#wanted)) this.#arrive();
  }

  #arrive(): void {
    if (this.current) return;
    this.current = true;
    this.#reached();
  }
}

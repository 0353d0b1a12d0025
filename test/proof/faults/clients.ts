/** Clients that go on whatever becomes of the server: writes are repeated under their request ids, watches resumed. */
import { execFileSync } from 'node:child_process';
import { setTimeout as delay } from 'node:timers/promises';
import type { Position } from '../../../src/gen/chord/v1/model.js';
import { type Copy, type Peer, Reader } from '../../support/chord.js';

const UNAVAILABLE = 14;
/** A server that is stopped for longer than a call waits. */
const DEADLINE_EXCEEDED = 4;
const PAUSE = 20;

/** The worker processes of a server. */
export function workersOf(pid: number): number[] {
  return execFileSync('pgrep', ['-P', `${pid}`], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map(Number);
}

/** Makes a call again while the server is away. */
export async function again<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const { code } = error as { code?: number };
      if (code !== UNAVAILABLE && code !== DEADLINE_EXCEEDED) throw error;
      await delay(PAUSE);
    }
  }
}

/** Adds 1 to a field of a context, so many times, each exactly once. `onAnswer` gets each position that was acknowledged. */
export async function count(
  peer: Peer,
  contextId: string,
  field: string,
  times: number,
  onAnswer: (position: Position) => void = () => {},
): Promise<void> {
  const mutations = [{ path: [field], operation: { $case: 'increment' as const, value: 1 } }];
  for (let n = 1; n <= times; n++) {
    const requestId = `${contextId} ${field} ${n}`;
    const { position } = await again(() => peer.update({ contextId, mutations, allowMissing: true, requestId }));
    onAnswer(position!);
  }
}

/** A watch, of everything or of a prefix, that is opened again with its positions each time that it ends. */
export class Follower {
  reader: Reader;
  /** How often it was opened again. */
  resumed = 0;
  /** What came, over all streams, as the log of a reader. */
  readonly log: string[] = [];
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(
    private readonly peer: Peer,
    private readonly request: Parameters<Peer['watch']>[0] = {},
    /** Each heartbeat: the moment that it vouches for, in milliseconds. */
    private readonly onHeartbeat: (vouched: number, copies: ReadonlyMap<string, Copy>) => void = () => {},
    private readonly prefix = '',
  ) {
    this.reader = this.#open(new Map());
    this.#running = this.#run();
  }

  /** Resolves when the copy of a context stands exactly here. */
  async at(id: string, position: Position): Promise<void> {
    for (;;) {
      const { reader } = this;
      const found = await reader.at(id, position).then(
        () => true,
        () => false,
      );
      if (found) return;
      await delay(PAUSE);
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.reader.cancel();
    await this.#running;
  }

  async #run(): Promise<void> {
    for (;;) {
      const { code } = await this.reader.end();
      if (this.#stopped) return;
      // An error without a code is a delta that did not fit.
      if (code !== UNAVAILABLE) throw new Error(`the watch ended with ${code}`);
      await delay(PAUSE);
      if (this.#stopped) return;
      this.resumed++;
      this.reader = this.#open(this.reader.copies);
    }
  }

  #open(copies: ReadonlyMap<string, Copy>): Reader {
    const reader = Reader.resume(this.peer, { prefix: this.prefix }, copies, this.request);
    reader.call.on('data', ({ event }) => {
      this.log.push(reader.log.at(-1)!);
      if (event?.$case !== 'heartbeat') return;
      const { sentAt } = event.value;
      if (sentAt) this.onHeartbeat(1000 * sentAt.seconds + sentAt.nanos / 1e6, reader.copies);
    });
    return reader;
  }
}

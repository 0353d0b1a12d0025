/** Chord servers on one Redis, and writers that go on whatever happens and keep account. */
import type { ServiceError } from '@grpc/grpc-js';
import type { ExecutionContext } from 'ava';
import type { Position } from '../../../src/model/model.js';
import type { Chord } from '../../../src/server/app.js';
import { connect, fold, type Peer, Reader, refusal, serve } from '../../support/chord.js';
import { until } from '../../support/until.js';

export const UNAVAILABLE = 14;

export interface Node {
  readonly chord: Chord;
  readonly peer: Peer;
}

/** Servers that share what is under `redisUrl`. */
export function serveMany(
  t: ExecutionContext,
  count: number,
  redisUrl: string,
  redisPrefix = 'chord:',
  /** Where Redis goes away on purpose. Else long, since a busy machine must not look like an outage. */
  redisTimeout = 20_000,
): Promise<Node[]> {
  const options = { backend: 'redis', redisUrl, redisPrefix, redisTimeout, logLevel: 'silent' } as const;
  return Promise.all(
    Array.from({ length: count }, async () => {
      const chord = await serve(t, options);
      return { chord, peer: connect(t, chord.address) };
    }),
  );
}

/** Readers of one context, one at each server, that have caught up. */
export async function watchEverywhere(t: ExecutionContext, nodes: readonly Node[], id: string): Promise<Reader[]> {
  const readers = nodes.map(({ peer }) => new Reader(peer, { id }));
  t.teardown(() => {
    for (const reader of readers) reader.cancel();
  });
  await Promise.all(readers.map((reader) => reader.caughtUp()));
  return readers;
}

/** Writers, several at each server, that each count up a field of their own. */
export class Load {
  /** Per writer: increments that were acknowledged, and those of which nothing is known. */
  readonly acknowledged: number[];
  readonly unsure: number[];
  readonly failures = new Set<string>();
  #stopping = false;
  readonly #running: Promise<void>[];
  #waiters: (() => void)[] = [];

  constructor(
    private readonly nodes: readonly Node[],
    private readonly ids: readonly string[],
    writers: number,
  ) {
    this.acknowledged = Array(writers).fill(0);
    this.unsure = Array(writers).fill(0);
    this.#running = this.acknowledged.map((_, writer) => this.#write(writer));
  }

  get count(): number {
    return this.acknowledged.reduce((sum, each) => sum + each, 0);
  }

  /** Resolves after so many more acknowledged writes. */
  async more(writes: number): Promise<void> {
    const goal = this.count + writes;
    while (this.count < goal) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
  }

  /** The fields of writer `i`, and of which context. */
  place(writer: number): { id: string; field: string } {
    return { id: this.ids[writer % this.ids.length] as string, field: `w${writer}` };
  }

  async #write(writer: number): Promise<void> {
    const { peer } = this.nodes[writer % this.nodes.length] as Node;
    const { id, field } = this.place(writer);
    const mutations = [{ path: [field], operation: { $case: 'increment' as const, value: 1 } }];
    while (!this.#stopping) {
      try {
        await peer.update({ contextId: id, mutations, allowMissing: true });
        this.acknowledged[writer]!++;
        for (const wake of this.#waiters.splice(0)) wake();
      } catch (error) {
        this.failures.add(`${(error as ServiceError).code} ${refusal(error as ServiceError).message}`);
        if ((error as ServiceError).code !== UNAVAILABLE) throw error;
        this.unsure[writer]!++;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }
}

/** Resolves when every server has every shard again. */
export function allBack(nodes: readonly Node[]): Promise<void> {
  const isBack = ({ peer }: Node) =>
    peer.list({}).then(
      () => true,
      () => false,
    );
  return until(async () => (await Promise.all(nodes.map(isBack))).every(Boolean), 'every server to come back');
}

/** Every acknowledged write is in the documents, none is there twice, and the history has no holes. */
export async function checkAccount(t: ExecutionContext, load: Load, nodes: readonly Node[]): Promise<void> {
  const { peer } = nodes[0] as Node;
  for (const [writer, acknowledged] of load.acknowledged.entries()) {
    const { id, field } = load.place(writer);
    const found = (await peer.document(id))[field] as number;
    const most = acknowledged + load.unsure[writer]!;
    t.true(found >= acknowledged && found <= most, `${field} is ${found}, not from ${acknowledged} to ${most}`);
  }
  for (const id of new Set(load.acknowledged.map((_, writer) => load.place(writer).id))) {
    const { deltas, truncated } = await peer.history(id);
    t.false(truncated);
    t.deepEqual(fold(deltas).value, await peer.document(id));
    t.true(deltas.every(({ to }, i) => to!.version === i + 1));
  }
}

/** Every reader ends with what the store has. */
export async function checkReaders(
  t: ExecutionContext,
  readers: readonly Reader[],
  nodes: readonly Node[],
  id: string,
): Promise<void> {
  const { context } = await nodes[0]!.peer.get({ contextId: id });
  await Promise.all(readers.map((reader) => reader.at(id, context!.position as Position)));
  for (const reader of readers) t.deepEqual(reader.copies.get(id)!.value, context!.value);
}

/** A server that is killed while it writes: what it acknowledged is there, the rest wholly or not at all. */
import test from 'ava';
import type { Delta } from '../../src/gen/chord/v1/model.js';
import { verified } from '../maintenance/directories.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { audit, BANK, openAccounts, TOTAL, total, trade } from '../support/bank.js';
import { type Copy, fold, follow, Peer, Reader, refused } from '../support/chord.js';
import { startServer } from '../support/cli.js';

/** `make prove` kills for as long as wanted. */
const ROUNDS = 8;
const WRITERS = 200;
const CONTEXTS = ['room:0', 'room:1', 'room:2', 'room:3'];
const NOT_FOUND = 5;

/** Writes again and again, each time the next number at two places, until the server is gone. */
class Writer {
  /** The newest number that was acknowledged. */
  acknowledged = 0;

  constructor(
    readonly name: string,
    readonly contextId: string,
  ) {}

  async write(peer: Peer, onAnswer: () => void): Promise<void> {
    for (let n = this.acknowledged + 1; ; n++) {
      const changes = { here: { [this.name]: n }, there: { [this.name]: n } };
      try {
        await peer.update({ contextId: this.contextId, changes, allowMissing: true });
      } catch {
        return;
      }
      this.acknowledged = n;
      onAnswer();
    }
  }

  /** What is wrong with its numbers after a restart, if anything is. The one write that had no answer counts from now on if it happened. */
  problem({ value }: Copy): string | undefined {
    const [here, there] = ['here', 'there'].map((place) => (value[place] as Record<string, number>)?.[this.name] ?? 0);
    const found = `${this.name}: ${here} here and ${there} there, ${this.acknowledged} was acknowledged`;
    if (here !== there || (here !== this.acknowledged && here !== this.acknowledged + 1)) return found;
    this.acknowledged = here as number;
    return undefined;
  }
}

test(`${WRITERS} writers lose nothing when the server is killed, ${ROUNDS} times`, async (t) => {
  const dataDir = await temporaryDirectory(t);
  const writers = Array.from({ length: WRITERS }, (_, i) => new Writer(`w${i}`, CONTEXTS[i % CONTEXTS.length]!));
  /** The documents that the checked part of each history leads to. */
  const checked = new Map<string, Copy>();
  let watched: ReadonlyMap<string, Copy> = new Map();
  let restored = 0;

  for (let round = 0; round <= ROUNDS; round++) {
    const server = await startServer('--listen', '127.0.0.1:0', '--data-dir', dataDir, '--delta-threshold', '100000');
    t.teardown(() => server.end('SIGKILL'));
    const peers = Array.from({ length: 8 }, () => new Peer(server.address));
    const [peer] = peers as [Peer];

    // The first kill may come before each context has been written to.
    if (round === 0) for (const id of CONTEXTS) await peer.set({ contextId: id, value: {} });
    const reader = Reader.resume(peer, { prefix: '' }, watched);
    await reader.caughtUp();
    if (round > 0) {
      for (const id of CONTEXTS) {
        const { context } = await peer.get({ contextId: id });
        const copy = continued(
          checked.get(id),
          (await peer.history(id, checked.get(id)?.position.version ?? 0)).deltas,
        );
        t.deepEqual(copy, { value: context!.value, position: context!.position } as Copy);
        t.deepEqual(reader.copies.get(id), copy);
        checked.set(id, copy);
      }
      t.deepEqual(
        writers.flatMap((writer) => writer.problem(checked.get(writer.contextId)!) ?? []),
        [],
      );
      const plain = CONTEXTS.flatMap((id) => [
        `full DELTA_LARGER ${id}`,
        ...(watched.has(id) ? [] : [`full INITIAL ${id}`]),
      ]);
      const surprises = reader.log.filter(
        (line) => !/^(caughtUp|heartbeat|delta .*)$/.test(line) && !plain.includes(line),
      );
      t.deepEqual(surprises, []);
      restored += reader.log.length - 1;
    }
    if (round < ROUNDS) {
      // Killed in the middle of things, at another moment each time.
      let answers = 0;
      const enough = deferred();
      const onAnswer = () => {
        if (++answers === 40 + 30 * round) enough.resolve();
      };
      const writing = writers.map((writer, i) => writer.write(peers[i % peers.length]!, onAnswer));
      await enough.promise;
      await server.end('SIGKILL');
      await Promise.all(writing);
      t.deepEqual((await verified(dataDir)).told, []);
      await reader.end();
      watched = reader.copies;
    } else {
      for (const id of CONTEXTS) t.deepEqual(fold((await peer.history(id)).deltas), checked.get(id));
      reader.cancel();
      t.is((await server.end('SIGTERM')).code, 0);
      t.deepEqual((await verified(dataDir)).told, []);
    }
    for (const each of peers) each.client.close();
  }
  t.log(`${writers.reduce((sum, { acknowledged }) => sum + acknowledged, 0)} writes; ${restored} deltas at resuming`);
});

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** The copy after these deltas, or the whole history's where there is no copy yet. */
function continued(copy: Copy | undefined, deltas: readonly Delta[]): Copy {
  return copy ? deltas.reduce(follow, copy) : fold(deltas);
}

test('a create or delete in flight at the kill happened wholly or not at all', async (t) => {
  const dataDir = await temporaryDirectory(t);
  let server = await startServer('--listen', '127.0.0.1:0', '--data-dir', dataDir);
  t.teardown(() => server.end('SIGKILL'));
  for (let round = 1; round <= 3; round++) {
    const peer = new Peer(server.address);
    // Whether each context exists, as far as was acknowledged; undefined: its last write had no answer.
    const exists = new Map<string, boolean | undefined>();
    let answers = 0;
    const enough = deferred();
    const churn = async (contextId: string): Promise<void> => {
      try {
        for (;;) {
          exists.set(contextId, undefined);
          await peer.set({ contextId, value: { words: 'w'.repeat(100) } });
          exists.set(contextId, true);
          if (++answers === 100 * round) enough.resolve();
          exists.set(contextId, undefined);
          await peer.delete({ contextId });
          exists.set(contextId, false);
        }
      } catch {}
    };
    const churning = Array.from({ length: 50 }, (_, i) => churn(`c${i}`));
    await enough.promise;
    await server.end('SIGKILL');
    await Promise.all(churning);
    peer.client.close();

    server = await startServer('--listen', '127.0.0.1:0', '--data-dir', dataDir);
    const after = new Peer(server.address);
    for (const [contextId, expected] of exists) {
      const found = (await after.list({ prefix: contextId })).contexts.some((each) => each.contextId === contextId);
      if (expected !== undefined) t.is(found, expected);
      if (found) t.deepEqual(fold((await after.history(contextId)).deltas).value, await after.document(contextId));
      else t.is((await refused(after.deltas({ contextId }))).code, NOT_FOUND);
    }
    after.client.close();
  }
  await server.end('SIGTERM');
});

test('of batches in flight at the kill each happened wholly or not at all, and no sum is torn', async (t) => {
  const dataDir = await temporaryDirectory(t);
  let server = await startServer('--listen', '127.0.0.1:0', '--data-dir', dataDir);
  t.teardown(() => server.end('SIGKILL'));
  const first = new Peer(server.address);
  await openAccounts(first);
  first.client.close();
  let watched: ReadonlyMap<string, Copy> = new Map();
  for (let round = 0; round < 5; round++) {
    const peers = Array.from({ length: 4 }, () => new Peer(server.address));
    const { reader, wrong, shown } = await audit(peers[0]!, watched);
    t.is(await total(peers[0]!), TOTAL);
    const enough = deferred();
    let left = 40 * (round + 1);
    const trades = peers.flatMap((peer, i) =>
      [0, 1, 2, 3].map((j) =>
        trade(peer, `${round}.${i}.${j}`, 1 + round * 16 + i * 4 + j, () => {
          if (left-- === 0) enough.resolve();
          return true;
        }),
      ),
    );
    await enough.promise;
    await server.end('SIGKILL');
    await Promise.all(trades);
    await reader.end();
    t.deepEqual(wrong, []);
    // What came of a group whose end did not come any more is not shown, and not resumed from.
    watched = shown.copies;
    for (const each of peers) each.client.close();
    server = await startServer('--listen', '127.0.0.1:0', '--data-dir', dataDir);
  }
  const last = new Peer(server.address);
  t.is(await total(last), TOTAL);
  for (const { contextId } of (await last.list({ prefix: BANK, pageSize: 1000 })).contexts) {
    t.deepEqual(fold((await last.history(contextId)).deltas).value, await last.document(contextId));
  }
  last.client.close();
  await server.end('SIGTERM');
});

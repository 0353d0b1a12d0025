/**
 * RedisWrites whose answers are lost on the way: they are sent again, and recognised. Also writes that look alike, which
 * are told apart. Between store and Redis stands a relay that can swallow answers.
 */
import { once } from 'node:events';
import { createServer, connect as dial, type Server, type Socket } from 'node:net';
import test, { type ExecutionContext } from 'ava';
import { openRedis } from '../../../src/store/redis/store.js';
import type { Outcome, Store } from '../../../src/store/store.js';
import { commitOf, kinds, plain, positionAt, range, recordOf, write } from '../../../src/testing/commits.js';
import { until } from '../../support/until.js';
import { REDIS_INSTALLED, RedisServer } from './servers.js';

const COMMITTED: Outcome = { kind: 'committed' };

/** Passes bytes on between clients and a port. */
class Relay {
  swallows = false;
  readonly #sockets = new Set<Socket>();
  readonly #server: Server;

  constructor(private readonly to: number) {
    this.#server = createServer((client) => this.#relay(client)).listen(0, '127.0.0.1');
  }

  async url(): Promise<string> {
    if (!this.#server.listening) await once(this.#server, 'listening');
    return `redis://127.0.0.1:${(this.#server.address() as { port: number }).port}`;
  }

  /** Ends all connections; new ones work. */
  cut(): void {
    this.swallows = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.#server.close();
    this.cut();
  }

  #relay(client: Socket): void {
    const redis = dial(this.to, '127.0.0.1');
    for (const socket of [client, redis]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.#sockets.delete(socket);
        client.destroy();
        redis.destroy();
      });
    }
    client.on('data', (bytes) => redis.write(bytes));
    redis.on('data', (bytes) => this.swallows || client.write(bytes));
  }
}

if (REDIS_INSTALLED) {
  const server = await RedisServer.start();
  test.after.always(() => server.destroy());
  let count = 0;

  /** One store behind a relay, and another one with a way of its own. */
  const setUp = async (t: ExecutionContext) => {
    const prefix = `resent${++count}:`;
    const relay = new Relay(server.port);
    const store = await openRedis({ url: await relay.url(), prefix });
    const other = await openRedis({ url: server.url, prefix });
    t.teardown(async () => {
      await Promise.all([store.close(), other.close()]);
      relay.close();
    });
    /** Sends writes whose answers get lost; once the store can be seen to have them, they may be sent again. */
    const loseAnswers = async (writes: () => Promise<Outcome>[], happened: () => Promise<boolean>) => {
      relay.swallows = true;
      const outcomes = Promise.all(writes());
      await until(happened, 'the writes');
      relay.cut();
      return outcomes;
    };
    return { store, other, loseAnswers };
  };
  const stands = async (store: Store, version: number | undefined) =>
    (await store.head('a'))?.position.version === version;

  test.serial('pipelined commits whose answers are lost have happened once', async (t) => {
    const { store, other, loseAnswers } = await setUp(t);
    const commits = range(50).map((i) => commitOf('a', i === 0 ? null : positionAt(i)));
    const outcomes = await loseAnswers(
      () => commits.map((commit) => store.commit(commit)),
      () => stands(other, 50),
    );
    t.deepEqual(kinds(outcomes), { committed: 50 });
    t.deepEqual(plain((await other.load('a'))!.records), plain(commits.map(recordOf)));
    t.is((await write(store, 'a', 60, 50)).length, 10);
  });

  test.serial('a commit whose answer is lost is recognised below what others built on it', async (t) => {
    const { store, other, loseAnswers } = await setUp(t);
    const first = commitOf('a', null);
    const outcomes = await loseAnswers(
      () => [store.commit(first)],
      async () => (await stands(other, 1)) && (await write(other, 'a', 5, 1)).length === 4,
    );
    t.deepEqual(outcomes, [COMMITTED]);
    t.is((await store.load('a'))!.records.length, 5);
  });

  test.serial('removals, and creations after them, whose answers are lost', async (t) => {
    const { store, other, loseAnswers } = await setUp(t);
    await write(store, 'a', 2);
    const again = commitOf('a', null, { epoch: 'second', line: 'second' });
    const outcomes = await loseAnswers(
      () => [store.remove({ id: 'a', expected: positionAt(2), reason: 'deleted' }), store.commit(again)],
      async () => (await other.head('a'))?.position.epoch === 'second',
    );
    t.deepEqual(outcomes, [COMMITTED, COMMITTED]);
    t.is((await store.load('a'))!.records.length, 1);
    const removal = await loseAnswers(
      () => [store.remove({ id: 'a', expected: again.head.position, reason: 'deleted' })],
      () => stands(other, undefined),
    );
    t.deepEqual(removal, [COMMITTED]);
  });

  test.serial('a named write whose answer is lost is no duplicate of itself', async (t) => {
    const { store, other, loseAnswers } = await setUp(t);
    await write(store, 'a', 1);
    const request = { id: 'r', fingerprint: 'f', result: Buffer.from('x'), at: 1 };
    const named = commitOf('a', positionAt(1), { payload: null, request });
    const outcomes = await loseAnswers(
      () => [store.commit(named), store.commit(commitOf('a', positionAt(1)))],
      () => stands(other, 2),
    );
    t.deepEqual(outcomes, [COMMITTED, COMMITTED]);
    t.is((await store.commit(named)).kind, 'duplicate');
  });

  test.serial('where nobody can tell any more, that is said', async (t) => {
    const { store, other, loseAnswers } = await setUp(t);
    await write(store, 'a', 1);
    const touch = commitOf('a', positionAt(1), { payload: null, expiry: { at: 9, ttl: 9 } });
    const outcomes = loseAnswers(
      () => [store.commit(touch)],
      async () => (await other.head('a'))?.expiry?.at === 9 && (await write(other, 'a', 2, 1)).length === 1,
    );
    const error = await t.throwsAsync(outcomes, { message: /may or may not have happened/ });
    t.like(error, { reason: 'UNAVAILABLE' });
  });

  test.serial('what was sent on a connection that broke, and did not arrive, is sent again', async (t) => {
    const { store, other } = await setUp(t);
    await server.admin.client('PAUSE', 200, 'WRITE');
    const outcomes = range(20).map((i) => store.commit(commitOf('a', i === 0 ? null : positionAt(i))));
    await server.admin.client('KILL', 'TYPE', 'normal');
    t.deepEqual(kinds(await Promise.all(outcomes)), { committed: 20 });
    t.is((await other.load('a'))!.records.length, 20);
  });

  test.serial("a write never builds upon another store's commit that only looks like its predecessor", async (t) => {
    const { store, other } = await setUp(t);
    await write(store, 'a', 1);
    await write(other, 'a', 2, 1);
    const pipelined = [store.commit(commitOf('a', positionAt(1))), store.commit(commitOf('a', positionAt(2)))];
    t.deepEqual(kinds(await Promise.all(pipelined)), { conflict: 2 });
    t.is((await store.load('a'))!.records.length, 2);
    t.deepEqual(await store.commit(commitOf('a', positionAt(2))), COMMITTED, 'when it was seen, it may');

    await other.remove({ id: 'a', expected: positionAt(3), reason: 'deleted' });
    const removal = store.remove({ id: 'a', expected: positionAt(3), reason: 'deleted' });
    const create = store.commit(commitOf('a', null));
    t.deepEqual(kinds(await Promise.all([removal, create])), { conflict: 2 });
  });
} else {
  test.skip('redis-server is not installed: lost answers were not tested', () => {});
}

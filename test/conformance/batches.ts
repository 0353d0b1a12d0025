/** Live scenarios of batches, and of ends: of a stream, a client, a server that is frozen. */
import { promisify } from 'node:util';
import { credentials, status } from '@grpc/grpc-js';
import {
  type BatchWriteRequest,
  type BatchWriteResponse,
  ContextServiceClient,
} from '../../src/gen/chord/v1/context_service.js';
import type { Answer } from './driver.js';
import { check, failure, like, same } from './expect.js';
import { at, caughtUp, delta, fail, full, Peer } from './peer.js';
import { LossyProxy } from './proxy.js';
import type { Scenario, Stage } from './scenario.js';
import { Stream } from './stream.js';

const TIMEOUT = 20_000;
const ROUNDS = 20;

export const batches: Readonly<Record<string, Scenario>> = {
  async 'batch: whole in a watch'({ driver, server, id }) {
    const ids = idsOf(id);
    await batch(server.address, ids, 0);
    const stream = await Stream.open(driver, [{ prefix: `{${id}}` }]);
    for (let i = 0; i <= ids.length; i++) await stream.next({});
    await batch(server.address, ids, 1);
    const marks: boolean[] = [];
    for (const _ of ids) marks.push((await stream.next({})).more === true);
    same(marks, [true, true, false], 'more');
    for (const contextId of ids) like(stream.documents.get(contextId)?.value, { n: 1 }, contextId);
  },

  async 'batch: whole in a replica'({ driver, server, id }) {
    const ids = idsOf(id);
    await batch(server.address, ids, 0);
    const { handle } = await driver.call('replica', { targets: [{ prefix: `{${id}}` }], timeout: TIMEOUT });
    for (let round = 1; round <= ROUNDS; round++) await batch(server.address, ids, round);
    await driver.call('read', { handle, contextId: ids[2], version: ROUNDS + 1, timeout: TIMEOUT });
    const { seen } = await driver.call('seen', { handle, count: ids.length, timeout: TIMEOUT });
    for (const { versions } of seen) {
      const distinct = new Set(ids.map((contextId) => versions[contextId]));
      check(distinct.size === 1, `a part of a batch was seen: ${JSON.stringify(versions)}`);
    }
  },

  'batch: torn over messages': (stage) =>
    withPeer(stage, async (peer, { driver }) => {
      const opening = driver.call('replica', { targets: [{ id: 'a' }, { id: 'b' }], timeout: TIMEOUT });
      const { stream } = await peer.next();
      stream.write(full('a', 1, { n: 50 }));
      stream.write(full('b', 1, { n: 50 }));
      stream.write(caughtUp);
      const { handle } = await opening;
      const held = async (contextId: string) => (await driver.call('read', { handle, contextId })).value;
      stream.write(delta('a', 1, 10, true));
      // What comes after it on the same connection has come: the half is there, and must not be seen.
      const { handle: watch } = await driver.call('watch', { targets: [{ id: 'c' }] });
      const other = driver.call('next', { handle: watch, timeout: TIMEOUT });
      (await peer.next()).stream.write(caughtUp);
      like(await other, { events: [{ event: 'caughtUp' }] }, 'another watch');
      same([await held('a'), await held('b')], [{ n: 50 }, { n: 50 }], 'half of a batch has come');
      stream.write(delta('b', 1, 90));
      await driver.call('read', { handle, contextId: 'b', version: 2, timeout: TIMEOUT });
      same([await held('a'), await held('b')], [{ n: 10 }, { n: 90 }], 'all of it has come');
      const { seen } = await driver.call('seen', { handle, count: 2, timeout: TIMEOUT });
      like(seen, [{ versions: { a: 2, b: 2 } }, { versions: { a: 2, b: 2 } }], 'what callbacks saw');
    }),

  'batch: resume after a break inside': (stage) =>
    withPeer(stage, async (peer, { driver }) => {
      const { handle } = await driver.call('watch', { targets: [{ id: 'a' }, { id: 'b' }] });
      const events = (count: number) => driver.call('next', { handle, count, timeout: TIMEOUT });
      const begun = events(3);
      const first = await peer.next();
      first.stream.write(full('a', 1, { n: 50 }));
      first.stream.write(full('b', 1, { n: 50 }));
      first.stream.write(caughtUp);
      await begun;
      first.stream.write(delta('a', 1, 10, true));
      fail(first.stream, status.UNAVAILABLE, 'away');
      const rest = events(3);
      const second = await peer.next();
      same(second.known, { a: 1, b: 1 }, 'the positions before the batch');
      second.stream.write(caughtUp);
      second.stream.write(delta('a', 1, 10, true));
      second.stream.write(delta('b', 1, 90));
      const deltas = [
        { event: 'delta', contextId: 'a', from: at(1), to: at(2), more: true },
        { event: 'delta', contextId: 'b', from: at(1), to: at(2) },
      ];
      const answer = await rest;
      like(answer.events, [{ event: 'caughtUp' }, ...deltas], 'nothing of the half, then the whole');
      check(answer.events[2].more !== true, 'the last one has no more');
    }),

  'the final end': (stage) =>
    withPeer(stage, async (peer, { driver }) => {
      const opening = driver.call('replica', { targets: [{ id: 'a' }], timeout: TIMEOUT });
      const replica = (await peer.next()).stream;
      replica.write(full('a', 1, { n: 1 }));
      replica.write(caughtUp);
      const { handle } = await opening;
      const { handle: watch } = await driver.call('watch', { targets: [{ id: 'a' }] });
      const reading = failure(driver.call('next', { handle: watch, timeout: TIMEOUT }), 'a watch that has ended');
      fail((await peer.next()).stream, status.PERMISSION_DENIED, 'no more');
      like(await reading, { reason: 'PERMISSION_DENIED', message: 'no more' }, 'of the watch');
      fail(replica, status.PERMISSION_DENIED, 'no more');
      const { error } = await driver.call('ended', { handle, timeout: TIMEOUT });
      like(error, { reason: 'PERMISSION_DENIED' }, 'of the replica');
      same((await driver.call('read', { handle, contextId: 'a' })).value, { n: 1 }, 'the copy stays');
    }),

  async 'a client that is closed'({ driver, id }) {
    await driver.call('set', { contextId: id, value: {} });
    await driver.call('close');
    await driver.call('close');
    const calls: [string, object][] = [
      ['get', { contextId: id }],
      ['set', { contextId: id, value: {} }],
      ['list', { prefix: id }],
      ['replica', { targets: [{ id }], timeout: TIMEOUT }],
    ];
    for (const [op, args] of calls) {
      const refused = await failure(driver.call(op, args), op);
      same(refused.reason, 'CANCELLED', op);
      check(refused.message.includes('the client is closed'), `${op}: ${refused.message}`);
    }
    same((await failure(watched(driver, id), 'watch')).reason, 'CANCELLED', 'watch');
  },
};

/** These wait for timers of the client that cannot be set: they run beside the others. */
export const waiting: Readonly<Record<string, Scenario>> = {
  // Keepalive finds out: 20 s until it asks, 10 s for the answer. The connection itself stays as it is.
  async 'a frozen server'({ driver, server, id }) {
    const proxy = await LossyProxy.start(server.address);
    try {
      await driver.call('connect', { address: proxy.address });
      const { position } = await driver.call('set', { contextId: id, value: { n: 1 } });
      const stream = await Stream.open(driver, [{ id }], { known: { [id]: position } });
      await stream.next({ event: 'caughtUp' });
      proxy.freeze();
      const { events } = await driver.call('next', { handle: stream.handle, timeout: 40_000 });
      like(events, [{ event: 'caughtUp' }], 'another connection');
      await driver.call('close');
    } finally {
      await proxy.end();
    }
  },
};

/** At once, or with its first event. */
async function watched(driver: Stage['driver'], id: string): Promise<Answer> {
  const { handle } = await driver.call('watch', { targets: [{ id }] });
  return driver.call('next', { handle, timeout: TIMEOUT });
}

/** Of one partition, on Redis too. */
function idsOf(id: string): string[] {
  return ['1', '2', '3'].map((name) => `{${id}}${name}`);
}

async function batch(address: string, ids: readonly string[], n: number): Promise<void> {
  const client = new ContextServiceClient(address, credentials.createInsecure());
  const rest = 'long enough that a delta is smaller than the document: '.repeat(5);
  try {
    const write = promisify(client.batchWrite.bind(client)) as (
      request: BatchWriteRequest,
    ) => Promise<BatchWriteResponse>;
    const writes = ids.map((contextId) => ({
      write: {
        $case: 'set',
        value: {
          contextId,
          value: { n, rest },
          expected: undefined,
          requestId: '',
          annotations: new Map(),
          ttl: undefined,
          returning: undefined,
        },
      } as const,
    }));
    await write({ writes, requestId: '' });
  } finally {
    client.close();
  }
}

async function withPeer(stage: Stage, scenario: (peer: Peer, stage: Stage) => Promise<void>): Promise<void> {
  const peer = await Peer.start();
  try {
    await stage.driver.call('connect', { address: peer.address });
    await scenario(peer, stage);
    await stage.driver.call('close');
  } finally {
    peer.end();
  }
}

/** Live scenarios in which the server goes away and comes back, and those with all drivers at once. */
import { setImmediate } from 'node:timers/promises';
import { promisify } from 'node:util';
import { credentials } from '@grpc/grpc-js';
import {
  ContextServiceClient,
  type GetContextRequest,
  type GetContextResponse,
} from '../../src/gen/chord/v1/context_service.js';
import type { JsonObject } from '../../src/model/model.js';
import { check, like, same } from './expect.js';
import { LossyProxy } from './proxy.js';
import type { Scenario, SharedScenario, Stage } from './scenario.js';
import type { Server } from './server.js';
import { Stream } from './stream.js';

const rest = 'long enough that a delta is smaller than the document';

export const restarts: Readonly<Record<string, Scenario>> = {
  'resume after a stop': (stage) => resume(stage, 'SIGTERM'),
  'resume after a crash': (stage) => resume(stage, 'SIGKILL'),

  'an answer that is lost': lostAnswer,

  async 'connects when the server comes up'({ driver, server, id }) {
    await driver.call('set', { contextId: id, value: { n: 1 } });
    await driver.call('close');
    await server.down('SIGTERM');
    await driver.call('connect', { address: server.address });
    const { handle } = await driver.call('watch', { targets: [{ id }] });
    const nothing = await driver.call('next', { handle, timeout: 500 });
    same(nothing.events, [], 'no server, no event, no error');
    await server.up();
    const { events } = await driver.call('next', { handle, count: 2, timeout: 15_000 });
    like(events, [{ event: 'full', value: { n: 1 } }, { event: 'caughtUp' }], 'first connection');
  },
};

/** The server has done a write, but the connection breaks before the client hears of it. */
async function lostAnswer({ driver, server, id }: Stage): Promise<void> {
  const proxy = await LossyProxy.start(server.address);
  try {
    await driver.call('connect', { address: proxy.address });
    await driver.call('set', { contextId: id, value: { n: 0 } });
    const stream = await Stream.open(driver, [{ id }]);
    await stream.next({ event: 'full' });
    await stream.next({ event: 'caughtUp' });
    proxy.hold();
    const write = driver.call('update', { contextId: id, mutations: [{ path: ['n'], increment: 1 }] });
    const failed = write.then(
      () => false,
      () => true,
    );
    while ((await versionOf(server, id)) < 2) {
      if (await Promise.race([failed, setImmediate(false)])) break;
    }
    proxy.cut();
    like(await write, { position: { version: 2 }, changed: true }, 'the answer is that of the first try');
    like(await driver.call('get', { contextId: id }), { value: { n: 1 }, position: { version: 2 } }, 'done once');
    same(await stream.until(id, 2), { n: 1 }, 'watched once');
    await driver.call('close');
  } finally {
    await proxy.end();
  }
}

/** As the server has it, past all proxies. */
async function versionOf(server: Server, contextId: string): Promise<number> {
  const client = new ContextServiceClient(server.address, credentials.createInsecure());
  try {
    const get = promisify(client.getContext.bind(client)) as (
      request: GetContextRequest,
    ) => Promise<GetContextResponse>;
    return (await get({ contextId, version: 0, includeExpiries: false })).context?.position?.version ?? 0;
  } finally {
    client.close();
  }
}

/** Two contexts and a prefix, a watch and a replica: all go on as if nothing had been. */
export async function resume({ driver, server, id }: Stage, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  for (const name of ['a', 'p:1', 'p:2']) await driver.call('set', { contextId: id + name, value: { n: 1, rest } });
  const targets = [{ id: `${id}a` }, { prefix: `${id}p:` }];
  const stream = await Stream.open(driver, targets);
  for (let i = 0; i < 3; i++) await stream.next({ event: 'full' });
  await stream.next({ event: 'caughtUp' });
  const replica = await driver.call('replica', { targets, timeout: 5000 });

  await server.down(signal);
  await server.up();
  // The call that follows finds a broken connection, and must do its work all the same.
  await driver.call('update', { contextId: `${id}a`, changes: { n: 2 } });
  await driver.call('delete', { contextId: `${id}p:1` });
  await driver.call('set', { contextId: `${id}p:3`, value: { n: 3 } });
  const found: string[] = [];
  while (found.length < 4) found.push(summary(await stream.next({}), id));
  const expected = ['caughtUp', 'deleted p:1', 'delta a', 'full p:3'];
  same(found.sort(), expected, 'what happened since, once');
  await stream.quiet();
  const read = async (name: string, version: number) =>
    (await driver.call('read', { handle: replica.handle, contextId: id + name, version })).value;
  same(await read('a', 2), { n: 2, rest }, 'the replica goes on');
  same(await read('p:1', 0), null, 'the replica forgets what is gone');
  same(await read('p:3', 1), { n: 3 }, 'the replica gets what is new');
  same(await read('p:2', 1), { n: 1, rest }, 'the replica keeps what stayed');
}

function summary({ event, contextId = '' }: { event: string; contextId?: string }, id: string): string {
  return `${event} ${contextId.slice(id.length)}`.trim();
}

export const shared: Readonly<Record<string, SharedScenario>> = {
  async '1,000 concurrent updates'(stages, id) {
    const each = Math.ceil(1000 / stages.length);
    const streams = await Promise.all(stages.map(({ driver }) => Stream.open(driver, [{ id }])));
    const bursts = await Promise.all(
      stages.map(({ driver }) =>
        driver.call('burst', { contextId: id, count: each, concurrency: 50, name: driver.name }),
      ),
    );
    for (const { failed } of bursts) same(failed, 0, 'failed updates');
    const versions = bursts.flatMap((burst) => burst.versions as number[]).sort((a, b) => a - b);
    const total = each * stages.length;
    same(
      versions,
      Array.from({ length: total }, (_, i) => i + 1),
      'each update has a version of its own',
    );
    const expected: JsonObject = { total };
    for (const { driver } of stages) expected[driver.name] = numbers(each);
    for (const [i, { driver }] of stages.entries()) {
      same((await driver.call('get', { contextId: id })).value, expected, `what ${driver.name} reads`);
      same(await streams[i]!.until(id, total), expected, `what ${driver.name} has watched`);
    }
  },

  async 'rolling restart'(stages, id) {
    const streams = await Promise.all(stages.map(({ driver }) => Stream.open(driver, [{ prefix: id }])));
    for (const stream of streams) await stream.next({ event: 'caughtUp' });
    let restarting = true;
    const writers = stages.map(async ({ driver }) => {
      let rounds = 0;
      while (restarting) {
        const name = `${driver.name}${rounds++}`;
        const { failed } = await driver.call('burst', { contextId: id, count: 20, concurrency: 4, name });
        same(failed, 0, `failed updates of ${driver.name}`);
      }
      return rounds;
    });
    const written = Promise.all(writers);
    written.catch(() => {}); // looked at when the restarts are over
    const { server } = stages[0]!;
    try {
      for (const signal of ['SIGTERM', 'SIGKILL', 'SIGTERM'] as const) {
        await server.down(signal);
        await server.up();
      }
    } finally {
      restarting = false;
    }
    const rounds = await written;
    const expected: JsonObject = { total: 20 * rounds.reduce((sum, count) => sum + count, 0) };
    for (const [i, { driver }] of stages.entries()) {
      for (let round = 0; round < rounds[i]!; round++) expected[driver.name + round] = numbers(20);
    }
    for (const [i, { driver }] of stages.entries()) {
      const { value, position } = await driver.call('get', { contextId: id });
      same(value, expected, `what ${driver.name} reads: nothing lost, nothing twice`);
      same(await streams[i]!.until(id, position.version), expected, `what ${driver.name} has watched`);
      check(position.version === expected.total, `version ${position.version} after ${expected.total} updates`);
    }
  },
};

function numbers(count: number): JsonObject {
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [String(i), i]));
}

/** Live scenarios of presences: members that a client keeps there. */
import { like, same } from './expect.js';
import type { Scenario } from './scenario.js';
import { Stream } from './stream.js';

const path = ['members', 'me'];

export const presences: Readonly<Record<string, Scenario>> = {
  async presence({ driver, id }) {
    const stream = await Stream.open(driver, [{ id }]);
    await stream.next({ event: 'absent' });
    await stream.next({ event: 'caughtUp' });
    const { handle } = await driver.call('presence', { contextId: id, path, value: { n: 1 }, ttl: 1000 });
    same(await stream.until(id, 1), { members: { me: { n: 1 } } }, 'it is there');
    const { events } = await driver.call('next', { handle: stream.handle, timeout: 2500 });
    same(events, [], 'renewals make no event, and keep it there');
    await driver.call('update', { contextId: id, mutations: [{ path, remove: true }] });
    same(await stream.until(id, 3), { members: { me: { n: 1 } } }, 'it is set again where it has gone');
    await driver.call('close', { handle });
    same(await stream.until(id, 4), { members: {} }, 'closing removes it');
    await driver.call('close', { handle });
  },

  async 'a killed presence'({ driver, server, id }) {
    const stream = await Stream.open(driver, [{ id }]);
    const killed = driver.another();
    try {
      await killed.call('connect', { address: server.address });
      await killed.call('presence', { contextId: id, path, value: {}, ttl: 1000 });
      same(await stream.until(id, 1), { members: { me: {} } }, 'it is there');
    } finally {
      killed.kill();
    }
    same(await stream.until(id, 2), { members: {} }, 'it goes by itself');
    const { deltas } = await driver.call('deltas', { contextId: id, fromVersion: 1 });
    like(deltas, [{ provenance: { cause: 'expired', author: '' } }], 'and no client wrote it');
  },
};

/** Live scenarios of watches and replicas. */
import type { JsonObject } from '../../src/model/model.js';
import { check, failure, like, same } from './expect.js';
import type { Scenario } from './scenario.js';
import { Stream } from './stream.js';

export const watches: Readonly<Record<string, Scenario>> = {
  async 'watch: ids'({ driver, id }) {
    await driver.call('set', { contextId: `${id}a`, value: { n: 1, rest: 'long enough that a delta is smaller' } });
    const stream = await Stream.open(driver, [{ id: `${id}a` }, { id: `${id}b` }], { includeOldValues: true });
    const first = [await stream.next({}), await stream.next({})].sort((x, y) => (x.event < y.event ? -1 : 1));
    like(
      first,
      [
        { event: 'absent', contextId: `${id}b` },
        { event: 'full', reason: 'INITIAL' },
      ],
      'what is there',
    );
    await stream.next({ event: 'caughtUp' });
    await driver.call('update', { contextId: `${id}a`, changes: { n: 2 } });
    const changes = [{ action: 'modified', path: ['n'], value: 2, old: 1 }];
    await stream.next({ event: 'delta', contextId: `${id}a`, changes });
    await driver.call('set', { contextId: `${id}b`, value: {} });
    await stream.next({ event: 'full', contextId: `${id}b`, value: {}, reason: 'INITIAL' });
    await stream.quiet();
    await driver.call('close', { handle: stream.handle });
  },

  async 'watch: prefix'({ driver, id }) {
    for (const name of ['1', '2']) await driver.call('set', { contextId: `${id}:${name}`, value: { name } });
    const stream = await Stream.open(driver, [{ prefix: `${id}:` }]);
    await stream.next({ event: 'full' });
    await stream.next({ event: 'full' });
    await stream.next({ event: 'caughtUp' });
    await driver.call('set', { contextId: `${id}:3`, value: {} });
    await driver.call('set', { contextId: `${id}other`, value: {} });
    await driver.call('delete', { contextId: `${id}:1` });
    await stream.next({ event: 'full', contextId: `${id}:3` });
    await stream.next({ event: 'deleted', contextId: `${id}:1`, reason: 'DELETED' });
    await stream.quiet();
  },

  async 'watch: from a known position'({ driver, id }) {
    const value = { n: 0, rest: 'long enough that a delta is smaller than the document, also when it is merged' };
    const { position } = await driver.call('set', { contextId: id, value });
    for (let i = 0; i < 5; i++)
      await driver.call('update', { contextId: id, mutations: [{ path: ['n'], increment: 1 }] });
    const { handle } = await driver.call('watch', { targets: [{ id }], known: { [id]: position } });
    const { events } = await driver.call('next', { handle, count: 2, timeout: 5000 });
    const changes = [{ action: 'modified', path: ['n'], value: 5 }];
    like(events, [{ event: 'delta', from: position, to: { version: 6 }, changes }, { event: 'caughtUp' }], 'one delta');
  },

  async 'deletion and recreation'({ driver, id }) {
    const { position } = await driver.call('set', { contextId: id, value: { life: 1 } });
    const stream = await Stream.open(driver, [{ id }]);
    await stream.next({ event: 'full' });
    await stream.next({ event: 'caughtUp' });
    await driver.call('delete', { contextId: id });
    await stream.next({ event: 'deleted', contextId: id, position, reason: 'DELETED' });
    const again = await driver.call('set', { contextId: id, value: { life: 2 } });
    await stream.next({ event: 'full', value: { life: 2 }, position: again.position });
    check(again.position.epoch !== position.epoch, 'a new life has a new epoch');
    const { result } = await driver.call('sync', { contextId: id, known: position });
    like(result, { event: 'full', reason: 'EPOCH_CHANGED', value: { life: 2 } }, 'sync from the first life');
    const old = await Stream.open(driver, [{ id }], { known: { [id]: position } });
    await old.next({ event: 'full', reason: 'EPOCH_CHANGED', value: { life: 2 } });
  },

  async expiry({ driver, id }) {
    const stream = await Stream.open(driver, [{ id }]);
    await stream.next({ event: 'absent' });
    await stream.next({ event: 'caughtUp' });
    await driver.call('set', { contextId: id, value: {}, ttl: 200 });
    await stream.next({ event: 'full' });
    // What has run out is gone for whoever looks; the server's own sweep may take an hour.
    const gone = await until(async () => {
      const found = await driver.call('get', { contextId: id }).then(
        () => null,
        (error) => error.form,
      );
      return found?.reason === 'NOT_FOUND';
    });
    check(gone, 'it expires');
    await stream.next({ event: 'deleted', contextId: id, reason: 'EXPIRED' });
  },

  async 'slow reader'({ driver, id }) {
    // More than the buffers between the two: gRPC's C core alone takes in 4 MiB that nobody has asked for.
    const writes = 300;
    await driver.call('set', { contextId: id, value: { n: 0 } });
    const stream = await Stream.open(driver, [{ id }]);
    await stream.next({ event: 'full' });
    await stream.next({ event: 'caughtUp' });
    let value: JsonObject = {};
    for (let i = 1; i <= writes; i++) {
      value = { n: i, blob: `${i % 10}`.repeat(65_536) };
      await driver.call('update', { contextId: id, changes: value });
    }
    same(await stream.until(id, writes + 1), value, 'the last state');
    check(stream.count < writes / 2, `${stream.count} events for ${writes} writes: nothing was merged`);
    await stream.quiet();
  },

  async 'text that grows'({ driver, id }) {
    const first = 'Once 𝄞 upon a time: ';
    await driver.call('set', {
      contextId: id,
      value: { o: { t: first }, rest: 'long enough that a delta is smaller' },
    });
    const { handle } = await driver.call('replica', { targets: [{ id }], timeout: 5000 });
    const read = async (version: number) => (await driver.call('read', { handle, contextId: id, version })).value.o.t;
    const update = (...mutations: object[]) =>
      driver.call('update', {
        contextId: id,
        mutations: mutations.map((mutation) => ({ path: ['o', 't'], ...mutation })),
        returning: { delta: true, oldValues: true },
      });
    const words = ['e\u0301 ', '👩‍👧', 'и ', '\u{10ffff}', 'end'];
    let text = first;
    let version = 1;
    for (const word of words) {
      const { delta } = await update({ appendText: word });
      const index = [...text].length;
      text += word;
      like(delta.changes, [{ action: 'text_spliced', path: ['o', 't'], index, removedCount: 0, inserted: word }], word);
      same(await read(++version), text, `appended ${word}`);
    }
    const { delta } = await update({ spliceText: { index: 5, removeCount: 1, insert: '𝄟𝄟' } }, { appendText: '.' });
    text = `${text.replace('𝄞', '𝄟𝄟')}.`;
    const [exchanged, appended] = delta.changes;
    like(exchanged, { action: 'text_spliced', index: 5, removedCount: 1, removed: '𝄞', inserted: '𝄟𝄟' }, 'exchanged');
    like(appended, { action: 'text_spliced', index: [...text].length - 1, inserted: '.' }, 'and appended');
    same(await read(++version), text, 'exchanged');
    await driver.call('set', { contextId: id, value: { o: { t: text.replace('upon', 'in') }, rest: 'another one' } });
    same(await read(++version), text.replace('upon', 'in'), 'set');
    await driver.call('close', { handle });

    for (const [name, mutation, field] of [
      ['beyond the end', { spliceText: { index: 1000, removeCount: 0, insert: '' } }, 'mutations[0].splice_text'],
      ['more than there is', { spliceText: { index: 0, removeCount: 1000, insert: '' } }, 'mutations[0].splice_text'],
    ] as const) {
      const { reason, violations } = await failure(update(mutation), name);
      same([reason, (violations as { field: string }[])[0]?.field], ['INVALID_ARGUMENT', field], name);
    }
    const list = { contextId: id, mutations: [{ path: ['o'], appendText: 'x' }] };
    same((await failure(driver.call('update', list), 'text to an object')).reason, 'INVALID_ARGUMENT', 'not a string');
  },

  async replica({ driver, id }) {
    const value = JSON.parse('{"__proto__":{"a":1},"l":[1,2],"rest":"long enough that a delta is smaller"}');
    await driver.call('set', { contextId: `${id}:1`, value });
    const targets = [{ prefix: `${id}:` }, { id: `${id}-single` }];
    const { handle } = await driver.call('replica', { targets, timeout: 5000 });
    const read = (contextId: string, version?: number) => driver.call('read', { handle, contextId, version });
    like(await read(`${id}:1`), { value, position: { version: 1 } }, 'at once when it is ready');
    same((await read(`${id}-single`)).value, null, 'absent');

    const mutations = [
      { path: ['l'], append: [3] },
      { path: ['__proto__', 'a'], set: 2 },
    ];
    await driver.call('update', { contextId: `${id}:1`, mutations });
    value.l.push(3);
    Object.getOwnPropertyDescriptor(value, '__proto__')!.value.a = 2;
    same((await read(`${id}:1`, 2)).value, value, 'a delta');
    await driver.call('set', { contextId: `${id}-single`, value: { n: 1 } });
    same((await read(`${id}-single`, 1)).value, { n: 1 }, 'created');
    await driver.call('delete', { contextId: `${id}:1` });
    same((await read(`${id}:1`, 0)).value, null, 'deleted');
    await driver.call('close', { handle });
    const late = await failure(
      driver.call('replica', { targets: [{ id: '' }], timeout: 5000 }),
      'a replica of nothing',
    );
    same(late.reason, 'INVALID_ARGUMENT', 'a final error ends it');
  },
};

async function until(condition: () => Promise<boolean>): Promise<boolean> {
  for (const end = Date.now() + 5000; Date.now() < end; ) if (await condition()) return true;
  return false;
}

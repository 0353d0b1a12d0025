/** Live scenarios of single calls, each with ids of its own. */
import { readFileSync } from 'node:fs';
import type { JsonObject } from '../../src/model/model.js';
import type { ValueVector } from '../vectors/values.js';
import { check, failure, like, same } from './expect.js';
import type { Scenario } from './scenario.js';

export const calls: Readonly<Record<string, Scenario>> = {
  async 'values there and back'({ driver, id }) {
    const vectors = JSON.parse(readFileSync(new URL('../vectors/values.json', import.meta.url), 'utf8'));
    for (const { name, value } of vectors as ValueVector[]) {
      await driver.call('set', { contextId: id, value });
      same((await driver.call('get', { contextId: id })).value, value, name);
    }
    let tooDeep: JsonObject = {};
    for (let i = 1; i < 33; i++) tooDeep = { a: tooDeep };
    const refused = await failure(driver.call('set', { contextId: id, value: tooDeep }), '33 levels');
    same(refused.reason, 'INVALID_ARGUMENT', '33 levels');
  },

  async 'every call'({ driver, id }) {
    const rest = 'long enough that a delta is smaller than the document: '.repeat(5);
    const set = await driver.call('set', { contextId: id, value: { n: 1, l: [1, 2, 3], o: { a: 1 }, rest } });
    like(set, { changed: true, position: { version: 1 } }, 'set');
    const updated = await driver.call('update', {
      contextId: id,
      changes: { o: { b: null }, s: 'x' },
      mutations: [
        { path: ['n'], increment: 1.5 },
        { path: ['l'], append: [4, [5]] },
        { path: ['l'], splice: { index: 0, removeCount: 2, insert: ['first'] } },
        { path: ['o', 'a'], remove: true },
        { path: ['deep', 'er', '__proto__'], set: {} },
      ],
      returning: { context: true, delta: true, oldValues: true },
    });
    const value = JSON.parse('{"n":2.5,"l":["first",3,4,[5]],"o":{"b":null},"s":"x","deep":{"er":{"__proto__":{}}}}');
    value.rest = rest;
    like(updated, { changed: true, position: { version: 2 }, context: { contextId: id, value } }, 'update');
    like(updated.delta, { contextId: id, from: set.position, to: updated.position }, 'delta');
    const modified = updated.delta.changes.find((change: { path: string[] }) => change.path[0] === 'n');
    like(modified, { action: 'modified', path: ['n'], value: 2.5, old: 1 }, 'delta with old values');
    same((await driver.call('update', { contextId: id, changes: { s: 'x' } })).changed, false, 'no change');

    like(await driver.call('get', { contextId: id }), { contextId: id, value, position: updated.position }, 'get');
    like(await driver.call('sync', { contextId: id }), { result: { event: 'full', value, reason: 'INITIAL' } }, 'sync');
    const delta = { event: 'delta', from: set.position, to: updated.position };
    like(await driver.call('sync', { contextId: id, known: set.position }), { result: delta }, 'sync from the first');
    const none = { result: { event: 'noChange', position: updated.position } };
    like(await driver.call('sync', { contextId: id, known: updated.position }), none, 'sync from the last');
    like(await driver.call('touch', { contextId: id, ttl: 3_600_000 }), { position: updated.position }, 'touch');

    const history = await driver.call('deltas', { contextId: id, fromVersion: 0 });
    like(
      history,
      {
        truncated: false,
        head: updated.position,
        deltas: [{ to: set.position }, { from: set.position, to: updated.position }],
      },
      'deltas',
    );
    const deleted = await driver.call('delete', { contextId: id });
    like(deleted, { changed: true, position: updated.position }, 'delete');
    same((await driver.call('delete', { contextId: id, allowMissing: true })).changed, false, 'delete again');
  },

  async 'list, page after page'({ driver, id }) {
    const ids = Array.from({ length: 150 }, (_, i) => `${id}:${String(i).padStart(3, '0')}`);
    for (const contextId of ids) await driver.call('set', { contextId, value: { id: contextId } });
    const { contexts } = await driver.call('list', { prefix: `${id}:`, includeValues: true });
    like(
      contexts,
      ids.map((contextId) => ({ contextId, value: { id: contextId } })),
      'list',
    );
    const heads = await driver.call('list', { prefix: `${id}:00` });
    check(heads.contexts.length === 10 && !heads.contexts[0].value, 'without values');
  },

  async 'expected mismatch'({ driver, id }) {
    const absent = await failure(
      driver.call('set', { contextId: id, value: {}, expected: { version: 1 } }),
      'none yet',
    );
    like(absent, { reason: 'ABORTED', contextId: id, current: null }, 'does not exist');
    const { position } = await driver.call('set', { contextId: id, value: { n: 1 }, expected: { absent: true } });
    const next = await driver.call('set', { contextId: id, value: { n: 2 }, expected: { position } });
    const stale = await failure(driver.call('update', { contextId: id, changes: {}, expected: { position } }), 'stale');
    like(stale, { reason: 'ABORTED', contextId: id, current: next.position }, 'stands elsewhere');
    const exists = await failure(
      driver.call('set', { contextId: id, value: {}, expected: { absent: true } }),
      'exists',
    );
    like(exists, { reason: 'ABORTED', current: next.position }, 'exists');
    same((await driver.call('delete', { contextId: id, expected: { version: 2 } })).changed, true, 'by version');
  },

  async 'error details'({ driver, id }) {
    const missing = await failure(driver.call('get', { contextId: id }), 'get');
    like(missing, { reason: 'NOT_FOUND', contextId: id, violations: [] }, 'not found');
    check(missing.current === undefined, 'not found says nothing of a position');
    const empty = await failure(driver.call('set', { contextId: '', value: {} }), 'empty id');
    like(empty, { reason: 'INVALID_ARGUMENT' }, 'empty id');
    same((empty.violations as { field: string }[])[0]?.field, 'context_id', 'field');
    await driver.call('set', { contextId: id, value: { s: 'x' } });
    const mutations = [
      { path: ['n'], increment: 1 },
      { path: ['s'], increment: 1 },
    ];
    const wrong = await failure(driver.call('update', { contextId: id, mutations }), 'not a number');
    same((wrong.violations as { field: string }[])[0]?.field, 'mutations[1].increment', 'field');
    same((await driver.call('get', { contextId: id })).value, { s: 'x' }, 'all or nothing');
    const huge = await failure(driver.call('set', { contextId: id, value: { s: 'x'.repeat(3.2e6) } }), 'too large');
    same(huge.reason, 'RESOURCE_EXHAUSTED', 'too large');
  },

  async 'request id'({ driver, id }) {
    const mutations = [{ path: ['n'], increment: 1 }];
    const write = { contextId: id, mutations, allowMissing: true, requestId: `${id}-1` };
    const first = await driver.call('update', write);
    await driver.call('update', { ...write, requestId: `${id}-2` });
    same((await driver.call('update', write)).position, first.position, 'a repeat answers what the first did');
    same((await driver.call('get', { contextId: id })).value, { n: 2 }, 'and writes nothing');
    const other = { ...write, mutations: [{ path: ['n'], increment: 2 }] };
    same(
      (await failure(driver.call('update', other), 'another request')).reason,
      'INVALID_ARGUMENT',
      'another request',
    );
    // Without one, each write is its own.
    await driver.call('update', { contextId: id, mutations });
    same((await driver.call('get', { contextId: id })).value, { n: 3 }, 'writes of their own');
  },
};

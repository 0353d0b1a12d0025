/** Live scenarios of conditions: writes that rest on a part of a document, edits, waits, and what expires when. */
import { credentials } from '@grpc/grpc-js';
import { ContextServiceClient } from '../../src/gen/chord/v1/context_service.js';
import type { JsonObject } from '../../src/model/model.js';
import { check, failure, like, same } from './expect.js';
import type { Scenario } from './scenario.js';

const TIMEOUT = 20_000;
const REST = 'long enough that a delta is smaller than the document: '.repeat(5);

export const conditions: Readonly<Record<string, Scenario>> = {
  async 'conditions: unchanged'({ driver, id }) {
    const contextId = id;
    const { position: since } = await driver.call('set', { contextId, value: { a: 1, b: 1, l: [1, 2, 3] } });
    await driver.call('update', { contextId, changes: { a: 2 } });
    const guard = (...paths: string[][]) => ({ expected: { unchanged: { since, paths } } });
    const kept = await driver.call('update', { contextId, changes: { b: 2 }, ...guard(['b'], ['none']) });
    like(kept, { changed: true, position: { version: 3 } }, 'b is unchanged');
    const unmet = { conditions: [{ path: ['a'], touchedAt: 2 }] };
    for (const [op, write] of [
      ['update', { mutations: [{ path: ['a'], increment: 1 }] }],
      ['set', { value: {} }],
      ['delete', {}],
    ] as const) {
      const refused = await failure(driver.call(op, { contextId, ...write, ...guard(['b', 'c'], ['a']) }), op);
      like(refused, { reason: 'ABORTED', contextId, current: kept.position }, op);
      like(refused.unmet, { conditions: [{}, {}] }, `${op}: both paths`);
      const alone = await failure(driver.call(op, { contextId, ...write, ...guard(['a']) }), op);
      like(alone.unmet, unmet, `${op}: what was touched`);
      check(!(alone.unmet as JsonObject).sinceReason, `${op}: it can be compared`);
    }
    // Splices name places of the list as it was.
    await driver.call('update', { contextId, mutations: [{ path: ['l'], splice: splice(0, 0, 'first') }] });
    await driver.call('update', { contextId, mutations: [{ path: ['l'], splice: splice(2, 1, 'three') }], ...guard() });
    like(await driver.call('get', { contextId }), { value: { a: 2, b: 2, l: ['first', 1, 2, 'three'] } }, 'carried');

    await driver.call('delete', { contextId });
    await driver.call('set', { contextId, value: {} });
    const other = await failure(driver.call('update', { contextId, changes: { b: 3 }, ...guard(['b']) }), 'new life');
    like(other, { reason: 'ABORTED', unmet: { sinceReason: 'EPOCH_CHANGED', conditions: [] } }, 'another life');
  },

  async 'conditions: checks'({ driver, id }) {
    const contextId = id;
    const { position } = await driver.call('set', { contextId, value: { seats: 1, o: { x: null }, s: '9' } });
    const hold = [
      { path: ['seats'], atLeast: 1 },
      { path: ['seats'], atMost: 1 },
      { path: ['o', 'x'], exists: true },
      { path: ['o', 'y'], exists: false },
      { path: ['o'], equals: { x: null } },
      { path: ['o', 'x'], equals: null },
    ];
    const fail = [
      { path: ['seats'], atLeast: 1.5 },
      { path: ['s'], atMost: 10 },
      { path: ['o', 'y'], exists: true },
      { path: ['o', 'x'], exists: false },
      { path: ['seats'], equals: '1' },
    ];
    const mutations = [{ path: ['seats'], increment: -1 }];
    for (const [op, write] of [
      ['update', { mutations }],
      ['set', { value: {} }],
      ['delete', {}],
    ] as const) {
      const refused = await failure(driver.call(op, { contextId, ...write, checks: [...hold, ...fail] }), op);
      like(refused, { reason: 'ABORTED', contextId, current: position }, op);
      like(refused.unmet, { conditions: fail.map((test) => ({ path: test.path, check: test })) }, `${op}: the checks`);
    }
    like(await driver.call('update', { contextId, mutations, checks: hold }), { position: { version: 2 } }, 'all hold');
    const stale = { expected: { position }, checks: hold };
    like(
      await failure(driver.call('update', { contextId, mutations, ...stale }), 'both'),
      { reason: 'ABORTED' },
      'both',
    );
    const missing = driver.call('update', { contextId: `${id}-no`, mutations, checks: hold, allowMissing: true });
    like(await failure(missing, 'no context'), { reason: 'ABORTED', current: null }, 'no context');
    like(
      await driver.call('delete', { contextId, checks: [{ path: ['seats'], equals: 0 }] }),
      { changed: true },
      'delete',
    );
  },

  async edit({ driver, id }) {
    const contextId = id;
    const increment = (path: string[], by: number) => ({ contextId, mutations: [{ path, increment: by }] });
    const edit = (args: object) => driver.call('edit', { contextId, ...args });
    same((await failure(edit({ add: [['a']] }), 'missing')).reason, 'NOT_FOUND', 'missing');
    const created = { ...increment(['a'], 1), allowMissing: true };
    const begun = await edit({ add: [['a']], allowMissing: true, meanwhile: [created] });
    same(begun.seen, [{}, { a: 1 }], 'created meanwhile');
    await driver.call('set', { contextId, value: { a: 0, b: 0, o: { x: 0 }, l: [1] } });

    const apart = await edit({ add: [['a'], ['o', 'y']], meanwhile: [increment(['b'], 1)] });
    same(apart.seen.length, 1, 'different paths');
    const value = { a: 1, b: 1, o: { x: 0, y: 1 }, l: [1] };
    like(await driver.call('get', { contextId }), { value, position: apart.position }, 'both are there');
    const again = await edit({ add: [['o', 'x']], meanwhile: [increment(['o', 'x'], 10), increment(['o', 'x'], 10)] });
    same(
      again.seen.map((document: typeof value) => document.o.x),
      [0, 10, 20],
      'the same path',
    );
    same((await driver.call('get', { contextId })).value.o.x, 21, 'none is lost');
    const rests = await edit({ add: [['a']], reads: [['b']], meanwhile: [increment(['b'], 1)] });
    same(rests.seen.length, 2, 'a path that it reads');
    const whole = await edit({ add: [['a']], reads: 'document', meanwhile: [increment(['new'], 1)] });
    same(whole.seen.length, 2, 'a document that it reads');

    const none = await edit({ add: [] });
    like(none, { changed: false, position: whole.position }, 'no change');
    const meanwhile = [1, 2, 3].map((by) => increment(['a'], by));
    const refused = await failure(edit({ add: [['a']], attempts: 2, meanwhile }), 'in vain');
    const { version } = whole.position;
    like(refused, { reason: 'ABORTED', current: { version: version + 2 } }, 'in vain');
    like(refused.unmet, { conditions: [{ path: ['a'], touchedAt: version + 2 }] }, 'the last one');
  },

  async 'wait for checks'({ driver, server, id }) {
    const contextId = id;
    const client = new ContextServiceClient(server.address, credentials.createInsecure());
    const set = (value: JsonObject) =>
      new Promise<void>((resolve, reject) => {
        const plain = {
          expected: undefined,
          requestId: '',
          annotations: new Map(),
          ttl: undefined,
          returning: undefined,
        };
        const request = { contextId, value, ...plain };
        client.setContext(request, (error) => (error ? reject(error) : resolve()));
      });
    try {
      const until = [
        { path: ['n'], atLeast: 3 },
        { path: ['status'], equals: 'ready' },
      ];
      const waiting = driver.call('wait', { contextId, until, timeout: TIMEOUT });
      await set({ n: 3, rest: REST });
      await set({ n: 0, status: 'ready', rest: REST });
      await set({ n: 4, status: 'ready', rest: REST });
      const value = { n: 4, status: 'ready', rest: REST };
      const met = await waiting;
      like(met, { heldAt: 3, result: { event: 'full', contextId, value, position: { version: 3 } } }, 'it comes true');
      const known = met.result.position;
      await set({ n: 5, status: 'ready', rest: REST });
      await set({ n: 0, rest: REST });
      const since = await driver.call('wait', { contextId, until, known, timeout: TIMEOUT });
      like(since, { heldAt: 4, result: { event: 'delta', from: known } }, 'a version since');
      const late = await failure(driver.call('wait', { contextId, until, timeout: 100 }), 'not met');
      same(late.reason, 'DEADLINE_EXCEEDED', 'not met');
      const nothing = await failure(driver.call('wait', { contextId, until: [], timeout: TIMEOUT }), 'no checks');
      same(nothing.reason, 'INVALID_ARGUMENT', 'no checks');
    } finally {
      client.close();
    }
  },

  async 'what expires when'({ driver, id }) {
    const [path, ttl] = [['members', 'a.b'], 60_000];
    const before = Date.now();
    const { handle } = await driver.call('presence', { contextId: id, path, value: 1, ttl });
    const after = Date.now();
    const { expiries, value } = await driver.call('get', { contextId: id, includeExpiries: true });
    same([expiries.length, expiries[0].path, value], [1, path, { members: { 'a.b': 1 } }], 'the member');
    const { expiresAt } = expiries[0];
    check(expiresAt >= before + ttl && expiresAt <= after + ttl, `it expires ${expiresAt - before} ms later`);
    check(!(await driver.call('get', { contextId: id })).expiries, 'on request only');
    await driver.call('close', { handle });
    same((await driver.call('get', { contextId: id, includeExpiries: true })).expiries, [], 'none');
  },
};

function splice(index: number, removeCount: number, ...insert: string[]) {
  return { index, removeCount, insert };
}

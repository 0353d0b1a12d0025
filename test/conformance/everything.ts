/** Live scenarios of what is not each program's daily bread: batches, the past, history, parts of documents, formats of deltas, pages. */
import { failure, like, same } from './expect.js';
import type { Scenario } from './scenario.js';

const TIMEOUT = 20_000;
const REST = 'long enough that a delta is smaller than the document: '.repeat(5);

interface Line {
  readonly path: string[];
  readonly run?: { readonly index: number; readonly count: number };
  readonly value: unknown;
  readonly version: number;
  readonly provenance?: { readonly annotations: Readonly<Record<string, string>> };
}

export const everything: Readonly<Record<string, Scenario>> = {
  async 'batch: all calls, all or nothing'({ driver, id }) {
    // On Redis, ids with the same part in braces lie together.
    const name = (part: string) => `{${id}}:${part}`;
    for (const part of ['update', 'revert', 'delete', 'touch']) {
      await driver.call('set', { contextId: name(part), value: { n: 1 }, ttl: 3_600_000 });
    }
    await driver.call('set', { contextId: name('revert'), value: { n: 2 } });
    const update = { op: 'update', contextId: name('update'), mutations: [{ path: ['n'], increment: 1 }] };
    const revert = { op: 'revert', contextId: name('revert'), version: 1, returning: { context: true } };
    const writes = [
      { op: 'set', contextId: name('set'), value: { n: 1 }, expected: { absent: true } },
      { ...update, checks: [{ path: ['n'], equals: 1 }], returning: { delta: true } },
      revert,
      { op: 'delete', contextId: name('delete') },
      { op: 'delete', contextId: name('missing'), allowMissing: true },
      { op: 'touch', contextId: name('touch'), ttl: 0 },
    ];
    const { results } = await driver.call('batch', { writes, requestId: `${id}-1` });
    like(
      results,
      [
        { changed: true, position: { version: 1 } },
        {
          changed: true,
          position: { version: 2 },
          delta: { changes: [{ action: 'modified', path: ['n'], value: 2 }] },
        },
        { changed: true, position: { version: 3 }, context: { value: { n: 1 } } },
        { changed: true, position: { version: 1 } },
        { changed: false },
        { position: { version: 1 }, context: { contextId: name('touch') } },
      ],
      'results',
    );
    const again = await driver.call('batch', { writes, requestId: `${id}-1` });
    const positions = ({ results }: { results?: unknown }) =>
      (results as { position?: unknown }[]).map((each) => each.position);
    same(positions(again), positions({ results }), 'a repeat');

    const refused = await failure(
      driver.call('batch', { writes: [update, { op: 'delete', contextId: name('missing') }] }),
      'one is refused',
    );
    like(refused, { reason: 'NOT_FOUND', contextId: name('missing') }, 'one is refused');
    like(await driver.call('get', { contextId: name('update') }), { position: { version: 2 } }, 'nothing is written');
    let deep: object = {};
    for (let i = 0; i < 33; i++) deep = { a: deep };
    const set = { op: 'set', contextId: name('set'), value: { n: [0, deep] } };
    const wrong = await failure(driver.call('batch', { writes: [revert, set] }), 'what cannot be sent');
    same(wrong.reason, 'INVALID_ARGUMENT', 'what cannot be sent');
    const [{ field }] = wrong.violations as [{ field: string }];
    same(field.startsWith('writes[1].set.value.n[1].a'), true, `the place of the fault: ${field}`);
  },

  async 'the past'({ driver, id }) {
    const contextId = id;
    const first = await driver.call('set', { contextId, value: { n: 1 } });
    await driver.call('set', { contextId, value: { n: 2 } });
    like(
      await driver.call('get', { contextId, version: 1 }),
      { value: { n: 1 }, position: first.position },
      'a version',
    );
    like(await driver.call('get', { contextId, at: Date.now() + 3_600_000 }), { value: { n: 2 } }, 'a time');
    for (const then of [{ version: 9 }, { at: 1_000_000_000_000 }]) {
      const none = await failure(driver.call('get', { contextId, ...then }), 'never');
      same(none.reason, 'NOT_FOUND', 'never');
    }
    const back = {
      contextId,
      version: 1,
      returning: { context: true, oldValues: true, delta: true },
      requestId: `${id}-1`,
    };
    const reverted = await driver.call('revert', back);
    const changes = [{ action: 'modified', path: ['n'], value: 1, old: 2 }];
    like(
      reverted,
      { changed: true, position: { version: 3 }, context: { value: { n: 1 } }, delta: { changes } },
      'revert',
    );
    like(await driver.call('revert', back), { position: { version: 3 } }, 'a repeat');
    const expected = { position: first.position };
    const stale = await failure(driver.call('revert', { contextId, version: 2, expected }), 'expected');
    like(stale, { reason: 'ABORTED', current: reverted.position }, 'expected');
  },

  async 'history: deltas'({ driver, id }) {
    const contextId = id;
    const annotations = (ticket: string) => ({ ticket, 'why, in short': 'größer 🙂', empty: '' });
    const value = { n: 1, gone: null, list: [1, 'two', { three: 3 }], text: 'a🙂bc', rest: REST };
    const first = { contextId, value, annotations: annotations('1'), requestId: `${id}-1` };
    await driver.call('set', first);
    const other = await failure(driver.call('set', { ...first, annotations: annotations('2') }), 'other annotations');
    same(other.reason, 'INVALID_ARGUMENT', 'annotations are a part of the request');
    const mutations = [
      { path: ['n'], set: { m: 1 } },
      { path: ['gone'], remove: true },
      { path: ['list'], splice: { index: 1, removeCount: 2, insert: [] } },
      { path: ['text'], spliceText: { index: 1, removeCount: 2, insert: 'x' } },
    ];
    const returning = { delta: true };
    const updated = await driver.call('update', { contextId, mutations, annotations: annotations('2'), returning });
    const provenance = (ticket: string) => ({ author: '', annotations: annotations(ticket) });
    like(updated.delta, { provenance: provenance('2') }, 'the answer of a write');
    await driver.call('revert', { contextId, version: 1, annotations: annotations('3') });
    const batched = { op: 'update', contextId, changes: { n: 2 }, annotations: annotations('4') };
    await driver.call('batch', { writes: [batched] });
    await driver.call('update', { contextId, changes: { n: 3 } });
    const edit = { contextId, add: [['n']], annotations: annotations('5'), ttl: 3_600_000 };
    const edited = await driver.call('edit', { ...edit, returning: { context: true, delta: true } });
    like(edited, { context: { position: edited.position }, delta: { provenance: provenance('5') } }, 'an edit');

    const read = async (options: object) =>
      (await driver.call('deltas', { contextId, fromVersion: 0, ...options })).deltas;
    const deltas = await read({ includeOldValues: true, pageSize: 2 });
    const tickets = deltas.map(
      (delta: { provenance?: { annotations: unknown } }) => delta.provenance?.annotations ?? {},
    );
    same(tickets, [...['1', '2', '3', '4'].map(annotations), {}, annotations('5')], 'annotations of each version');
    const was = [
      { action: 'modified', path: ['n'], value: { m: 1 }, old: 1 },
      { action: 'removed', path: ['gone'], old: null },
      { action: 'spliced', path: ['list'], index: 1, removedCount: 2, inserted: [], removed: ['two', { three: 3 }] },
      { action: 'text_spliced', path: ['text'], index: 1, removedCount: 2, inserted: 'x', removed: '🙂b' },
    ];
    const byPath = (changes: { path: string[] }[]) =>
      was.map(({ path: [key] }) => changes.find(({ path }) => path[0] === key));
    same(byPath(deltas[1].changes), was, 'old values');
    const without = was.map(({ old: _, removed: __, ...change }: { old?: unknown; removed?: unknown }) => change);
    same(byPath((await read({}))[1].changes), without, 'none where they are not asked for');
    same(
      deltas.map(({ to }: { to: { version: number } }) => to.version),
      [1, 2, 3, 4, 5, 6],
      'page after page',
    );
    const { handle } = await driver.call('watch', { targets: [{ id }], known: { [id]: deltas[4].to } });
    const { events } = await driver.call('next', { handle, timeout: TIMEOUT });
    like(events, [{ event: 'delta', provenance: provenance('5') }], 'a watch tells it, too');
    await driver.call('close', { handle });
  },

  async 'history: blame'({ driver, id }) {
    const contextId = id;
    const annotations = { ticket: '1' };
    await driver.call('set', { contextId, value: { list: [1], text: 'a🙂', o: {}, z: -0 }, annotations });
    const mutations = [
      { path: ['list'], append: [[2], 3] },
      { path: ['text'], appendText: '🙂b' },
    ];
    const { position } = await driver.call('update', { contextId, mutations });
    const blame = async (args: object) => {
      const { lines, ...page } = await driver.call('blame', { contextId, ...args });
      return { ...page, lines: lines.map(noted) };
    };
    const noted = ({ path, run, value, version, provenance }: Line) => ({
      path,
      ...(run && { run }),
      value,
      version,
      ticket: provenance?.annotations.ticket ?? '',
    });
    const line = (path: string[], value: unknown, version: number, run?: [index: number, count: number]) =>
      noted({
        path,
        value,
        version,
        ...(run && { run: { index: run[0], count: run[1] } }),
        ...(version === 1 && { provenance: { annotations } }),
      });
    const list = [line(['list'], [1], 1, [0, 1]), line(['list'], [[2], 3], 2, [1, 2])];
    const text = [line(['text'], 'a🙂', 1, [0, 2]), line(['text'], '🙂b', 2, [2, 2])];
    const lines = [...list, line(['o'], {}, 1), ...text, line(['z'], -0, 1)];
    const whole = await blame({});
    like(whole, { position, olderThan: 0 }, 'the version that it is of');
    same(whole.lines, lines, 'each part and its version');
    same((await blame({ paths: [['text'], ['none']] })).lines, text, 'parts');

    const many = Array.from({ length: 101 }, (_, i) => [String(i).padStart(4, '0'), i] as const);
    await driver.call('set', { contextId, value: Object.fromEntries(many) });
    same(
      (await blame({})).lines,
      many.map(([key, n]) => line([key], n, 3)),
      'page after page',
    );
    await driver.call('delete', { contextId, annotations });
    const missing = await failure(driver.call('blame', { contextId }), 'missing');
    like(missing, { reason: 'NOT_FOUND', contextId }, 'missing');
  },

  async 'parts of documents'({ driver, id }) {
    const contextId = id;
    const value = { members: { ann: 1 }, rest: REST };
    const { position: known } = await driver.call('set', { contextId, value });
    const paths = [['members'], ['none']];
    const part = { event: 'full', value: { members: { ann: 1 } } };
    like(await driver.call('sync', { contextId, paths }), { result: part }, 'sync');

    const targets = [{ id: contextId, paths }];
    const { handle } = await driver.call('watch', { targets });
    const { events } = await driver.call('next', { handle, count: 2, timeout: TIMEOUT });
    like(events, [part, { event: 'caughtUp' }], 'watch');
    const replica = await driver.call('replica', { targets: [{ prefix: contextId, paths }], timeout: TIMEOUT });
    const resumed = await driver.call('watch', { targets, known: { [contextId]: known } });

    await driver.call('update', { contextId, changes: { rest: 'elsewhere' } });
    const changed = await driver.call('update', { contextId, changes: { members: { bob: 2 }, rest: REST } });
    const bob = { action: 'added', path: ['members', 'bob'], value: 2 };
    let version = 1;
    while (version < 3) {
      const next = await driver.call('next', { handle, timeout: TIMEOUT });
      const [delta] = next.events as [{ event: string; to: { version: number }; changes: unknown[] }];
      version = delta.to.version;
      same(delta.changes, version === 3 ? [bob] : [], 'changes within the parts alone');
    }
    const read = { handle: replica.handle, contextId, version: 3, timeout: TIMEOUT };
    like(
      await driver.call('read', read),
      { value: { members: { ann: 1, bob: 2 } }, position: changed.position },
      'replica',
    );
    const { events: since } = await driver.call('next', { handle: resumed.handle, timeout: TIMEOUT });
    like(since, [{ event: 'delta', from: known }], 'a watch that resumes');
    for (const each of [handle, replica.handle, resumed.handle]) await driver.call('close', { handle: each });
  },

  async 'formats of deltas'({ driver, id }) {
    const contextId = id;
    const { position: known } = await driver.call('set', { contextId, value: { o: { a: 1 }, rest: REST } });
    const { handle } = await driver.call('watch', { targets: [{ id }], known: { [id]: known }, format: 'merge_patch' });
    const update = { contextId, mutations: [{ path: ['o', 'a'], set: 2 }] };
    const { delta } = await driver.call('update', { ...update, returning: { delta: true, format: 'json_patch' } });
    const replaced = { op: 'replace', path: '/o/a', value: 2 };
    like(delta, { formatted: [replaced], changes: [] }, 'of a write');
    const synced = await driver.call('sync', { contextId, known, format: 'json_patch', includeOldValues: true });
    const formatted = [{ op: 'test', path: '/o/a', value: 1 }, replaced];
    like(synced, { result: { event: 'delta', formatted } }, 'of a sync, with old values');
    const merged = { o: { a: 2 } };
    const { events } = await driver.call('next', { handle, count: 2, timeout: TIMEOUT });
    const told = (events as { event: string; formatted?: unknown }[]).find(({ event }) => event === 'delta');
    same(told?.formatted, merged, 'of a watch');
    await driver.call('close', { handle });

    await driver.call('update', { contextId, changes: { o: { a: null } } });
    const { deltas } = await driver.call('deltas', { contextId, fromVersion: 1, format: 'merge_patch', pageSize: 1 });
    like(deltas, [{ formatted: merged }, { from: { version: 2 } }], 'of the history');
    const [, lost] = deltas as [unknown, { formatted?: unknown; inexpressible: string }];
    same([lost.formatted ?? null, lost.inexpressible.includes('null')], [null, true], 'what a format cannot express');
  },
};

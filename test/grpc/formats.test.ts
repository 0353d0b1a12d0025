/** Delta formats over the wire: in sync, watch, list and what a write returns; one's own; what a format cannot say. */
import test from 'ava';
import mergePatchLibrary from 'json-merge-patch';
import { Inexpressible } from '../../src/delta/formats/format.js';
import { equal } from '../../src/delta/index.js';
import type { Delta } from '../../src/gen/chord/v1/model.js';
import type { WatchContextsResponse } from '../../src/gen/chord/v1/sync_service.js';
import type { Json, JsonObject } from '../../src/model/model.js';
import type { ChordOptions } from '../../src/server/app.js';
import { connect, type Peer, refused, samePosition, serve, type Watch } from '../support/chord.js';

const INVALID_ARGUMENT = 3;
const INTERNAL = 13;
const RETURNING = { context: false, delta: true, oldValues: false, format: '' };

const start = async (t: Parameters<typeof serve>[0], options: ChordOptions = {}) =>
  connect(t, (await serve(t, options)).address);

async function deltaOf(answer: ReturnType<Peer['sync']>): Promise<Delta> {
  const { result } = await answer;
  if (result?.$case !== 'delta') throw new Error(`${result?.$case} in place of a delta`);
  return result.value;
}

/** The deltas of a watch, as they come. */
async function* deltasOf(watch: Watch): AsyncGenerator<Delta> {
  for await (const { event } of watch as AsyncIterable<WatchContextsResponse>) {
    if (event?.$case === 'delta') yield event.value;
  }
}

test('each call answers in the format that it asks for', async (t) => {
  const peer = await start(t);
  const { position: known } = await peer.set({ contextId: 'a', value: { n: 1, l: [1, 2, 3], r: true } });
  const value = { n: 2, l: [1, 3], x: { y: 1 } };
  const patch = [
    { op: 'replace', path: '/n', value: 2 },
    { op: 'remove', path: '/l/1' },
    { op: 'remove', path: '/r' },
    { op: 'add', path: '/x', value: { y: 1 } },
  ];
  const returning = { ...RETURNING, format: 'json_patch' };
  const watch = peer.watch({
    subscriptions: [{ target: { $case: 'contextId', value: 'a' }, known: new Map([['a', known!]]), paths: [] }],
    format: 'json_patch',
  });
  t.teardown(() => watch.cancel());
  const live = deltasOf(watch);
  const written = await peer.set({ contextId: 'a', value, returning });
  const synced = await deltaOf(peer.sync({ contextId: 'a', known: known!, format: 'json_patch' }));
  const listed = (await peer.deltas({ contextId: 'a', fromVersion: 1, format: 'json_patch' })).deltas;
  const watched = (await live.next()).value as Delta;
  for (const delta of [written.delta!, synced, watched, ...listed]) {
    t.deepEqual(delta.formatted, patch);
    t.deepEqual(delta.changes, []);
    t.is(delta.inexpressible, '');
    t.true(samePosition(delta.from, known) && samePosition(delta.to, written.position));
  }
  t.is(listed.length, 1);

  const forms = async (format: string, includeOldValues = false) =>
    (await deltaOf(peer.sync({ contextId: 'a', known: known!, format, includeOldValues }))).formatted;
  t.deepEqual(await forms('merge_patch'), { n: 2, l: [1, 3], r: null, x: { y: 1 } });
  t.deepEqual(await forms('flat', true), [
    { key_path: ['n'], action: 'modified', value: 2, old_value: 1, context_id: 'a' },
    { key_path: ['l'], action: 'modified', value: [1, 3], old_value: [1, 2, 3], context_id: 'a' },
    { key_path: ['r'], action: 'removed', old_value: true, context_id: 'a' },
    { key_path: ['x'], action: 'added', value: { y: 1 }, context_id: 'a' },
  ]);
  t.is((await deltaOf(peer.sync({ contextId: 'a', known: known!, format: 'changes' }))).changes.length, 4);
  t.is(await forms('changes'), undefined);
});

test('an unknown format is refused, with the names of those that there are', async (t) => {
  const peer = await start(t, { formatters: { mine: () => null } });
  const known = (await peer.set({ contextId: 'a', value: {} })).position!;
  const refusals = [
    await refused(peer.sync({ contextId: 'a', known, format: 'yaml' })),
    await refused(peer.deltas({ contextId: 'a', format: 'yaml' })),
    await refused(peer.set({ contextId: 'a', value: { n: 1 }, returning: { ...RETURNING, format: 'yaml' } })),
  ];
  for (const { code, message } of refusals) {
    t.is(code, INVALID_ARGUMENT);
    t.regex(message, /"yaml" is unknown; known are changes, flat, json_patch, merge_patch, mine/);
  }
  t.deepEqual(
    refusals.map(({ fields }) => fields.join()),
    ['format', 'format', 'returning.format'],
  );
  t.deepEqual(await peer.document('a'), {}, 'what was refused wrote nothing');
});

test('what a merge patch cannot say is flagged, and the document says it', async (t) => {
  const peer = await start(t);
  const known = (await peer.set({ contextId: 'a', value: { a: 1, text: 'some words more than a few' } })).position!;
  await peer.update({ contextId: 'a', changes: { a: null } });
  const delta = await deltaOf(peer.sync({ contextId: 'a', known, format: 'merge_patch' }));
  t.is(delta.formatted, undefined);
  t.is(delta.inexpressible, 'a merge patch cannot store null, as at ["a"]');
  t.is(delta.to!.version, 2);
});

test('a format of one own: per request, with old values, made once for all watchers', async (t) => {
  const made: string[] = [];
  const mine = ({
    contextId,
    changes,
    oldValues,
  }: {
    contextId: string;
    changes: readonly object[];
    oldValues: boolean;
  }) => {
    made.push(contextId);
    return { contextId, count: changes.length, oldValues };
  };
  const chord = await serve(t, { formatters: { mine } });
  const peer = connect(t, chord.address);
  await peer.set({ contextId: 'a', value: { n: 0, text: 'some words more than a few, lest the document be smaller' } });
  const streams = Array.from({ length: 20 }, () => {
    const watch = peer.watch({
      subscriptions: [{ target: { $case: 'contextId', value: 'a' }, known: new Map(), paths: [] }],
      format: 'mine',
    });
    t.teardown(() => watch.cancel());
    const came: Delta[] = [];
    const caughtUp = new Promise<void>((resolve) => {
      watch.on('data', ({ event }: WatchContextsResponse) => {
        if (event?.$case === 'caughtUp') resolve();
      });
    });
    const first = new Promise<Delta>((resolve) => {
      watch.on('data', ({ event }: WatchContextsResponse) => {
        if (event?.$case !== 'delta') return;
        came.push(event.value);
        resolve(event.value);
      });
    });
    watch.on('error', () => {});
    return { caughtUp, first };
  });
  await Promise.all(streams.map(({ caughtUp }) => caughtUp));
  await peer.update({ contextId: 'a', changes: { n: 1, m: 2 } });
  for (const { first } of streams) {
    t.deepEqual((await first).formatted, { contextId: 'a', count: 2, oldValues: false });
  }
  t.deepEqual(made, ['a']);
});

test('a format that fails is a defect of its own call, and one that says no is heard', async (t) => {
  const defective = {
    throws: () => {
      throw new Error('no');
    },
    noJson: () => Number.NaN,
    says: () => new Inexpressible('not today'),
    deep: () => Array.from({ length: 40 }).reduce<Json>((value) => [value], 1),
    large: () => 'x'.repeat(5_000_000),
  };
  const peer = await start(t, { formatters: defective, logLevel: 'silent' });
  const known = (await peer.set({ contextId: 'a', value: { n: 0, text: 'some words more than a few' } })).position!;
  await peer.update({ contextId: 'a', changes: { n: 1 } });
  const sync = (format: string) => peer.sync({ contextId: 'a', known, format });
  t.is((await refused(sync('throws'))).code, INTERNAL);
  t.is((await refused(sync('noJson'))).code, INTERNAL);
  t.is((await deltaOf(sync('says'))).inexpressible, 'not today');
  t.regex((await deltaOf(sync('deep'))).inexpressible, /deeper than 32 levels/);
  t.regex((await deltaOf(sync('large'))).inexpressible, /takes 500000\d bytes/);
  t.is((await deltaOf(sync(''))).changes.length, 1);
});

test('names of formats are checked at the start', async (t) => {
  for (const name of ['', 'changes', 'flat', 'a b', 'x'.repeat(65)]) {
    await t.throwsAsync(serve(t, { formatters: { [name]: () => null } }), { instanceOf: TypeError }, name);
  }
});

test('whole lists are right while others write, whatever the reader gets', async (t) => {
  const peer = await start(t);
  let { position } = await peer.set({ contextId: 'a', value: { l: [0, 1, 2, 3, 4, 5], n: 0, pad: 'x'.repeat(3000) } });
  let copy = (await peer.document('a')) as Json;
  const watch = peer.watch({
    subscriptions: [{ target: { $case: 'contextId', value: 'a' }, known: new Map([['a', position!]]), paths: [] }],
    format: 'merge_patch',
  });
  t.teardown(() => watch.cancel());
  const writes = Array.from({ length: 60 }, (_, i) =>
    peer.update({
      contextId: 'a',
      mutations: [
        {
          path: ['l'],
          operation: { $case: 'splice', value: { index: i % 6, removeCount: i % 2, insert: [i, 'new'] } },
        },
        { path: ['n'], operation: { $case: 'increment', value: 1 } },
      ],
    }),
  );
  const last = Promise.all(writes);
  for await (const { event } of watch as AsyncIterable<WatchContextsResponse>) {
    if (event?.$case === 'full') {
      copy = event.value.context!.value as Json;
      position = event.value.context!.position;
    }
    if (event?.$case === 'delta') {
      t.true(samePosition(event.value.from, position));
      t.is(event.value.inexpressible, '');
      copy = mergePatchLibrary.apply(copy, event.value.formatted) as Json;
      position = event.value.to;
    }
    if (position!.version === 61) break;
  }
  await last;
  t.true(equal(copy, await peer.document('a')));

  // The same from the list: as many pages as there are, each delta from the one before.
  const { deltas } = await peer.deltas({ contextId: 'a', pageSize: 1000, format: 'merge_patch' });
  const folded = deltas.reduce<Json>(
    (document, delta) => mergePatchLibrary.apply(document, delta.formatted) as Json,
    {},
  );
  t.is(deltas.length, 61);
  t.true(equal(folded, copy));
});

test('a page of a format that is larger than the changes ends where its bytes say so', async (t) => {
  const peer = await start(t, { formatters: { padded: ({ changes }) => [changes.length, 'x'.repeat(300_000)] } });
  for (let n = 1; n <= 9; n++) await peer.set({ contextId: 'a', value: { n } });
  const versions: number[] = [];
  let pages = 0;
  for (let pageToken = '', more = true; more; more = pageToken !== '') {
    const page = await peer.deltas({ contextId: 'a', pageToken, format: 'padded' });
    versions.push(...page.deltas.map(({ to }) => to!.version));
    pageToken = page.nextPageToken;
    pages++;
  }
  t.deepEqual(versions, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  t.is(pages, 3);
});

test('lists whose past is no longer kept are flagged, not made up', async (t) => {
  const chord = await serve(t);
  const peer = connect(t, chord.address);
  await peer.set({ contextId: 'a', value: { l: [1, 2, 3] } as JsonObject });
  const returning = { ...RETURNING, format: 'flat' };
  const append = { path: ['l'], operation: { $case: 'append' as const, value: { values: [4] } } };
  await peer.update({ contextId: 'a', mutations: [append], returning });
  const delta = (await chord.contexts.deltas('a', 1)).deltas[0]!;
  await chord.contexts.trim('a', 2);
  t.is(await chord.contexts.wholeValues.of(delta, 'lists and strings'), delta);
});

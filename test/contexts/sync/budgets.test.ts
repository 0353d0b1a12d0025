/** What a read may cost: bytes that are read and decoded, turns that others have meanwhile. Bytes and counts, never times. */
import test, { type ExecutionContext } from 'ava';
import { decodeStruct } from '../../../src/codec/struct.js';
import { Formats, formatDelta, TooLarge } from '../../../src/contexts/sync/formats.js';
import { bytesOf } from '../../../src/contexts/sync/merge.js';
import { PAST_BYTES_MAX } from '../../../src/contexts/sync/point-in-time.js';
import { mergeCostMax } from '../../../src/contexts/validation.js';
import { jsonPatch } from '../../../src/delta/formats/json-patch.js';
import type { JsonObject, Position } from '../../../src/model/model.js';
import { openChord } from '../../../src/server/app.js';
import { openMemory } from '../../../src/store/memory.js';
import type { Store } from '../../../src/store/store.js';
import { HISTORY_BYTES_MAX } from '../../../src/transfer/transfer.js';
import { connect, serve } from '../../support/chord.js';
import { documentOf } from '../../support/reader.js';

/** A store that counts what is read of logs. */
function counting() {
  const store = openMemory();
  const plain = store.deltas.bind(store);
  const read = { calls: 0, bytes: 0, spoil: false };
  store.deltas = async (...args) => {
    const history = await plain(...args);
    read.calls++;
    if (history.kind === 'truncated') return history;
    for (const { changes, olds } of history.records) read.bytes += changes.length + olds.length;
    if (!read.spoil) return history;
    // What is decoded now is DATA_LOSS.
    const spoilt = history.records.map((record) => ({ ...record, changes: record.changes.map(() => 0xff) }));
    return { ...history, records: spoilt };
  };
  return { read, store };
}

async function open(t: ExecutionContext, store: Store) {
  const chord = await openChord({ store, cleanupInterval: 0 });
  t.teardown(() => chord.close());
  return chord;
}

const filler = 'x'.repeat(200_000);
const part = (i: number) => `${i % 10}`.repeat(60_000);

/** A document of 260 KB of which a field of 60 KB is written so many times. */
async function written(t: ExecutionContext, store: Store, times: number): Promise<Position[]> {
  const { contexts } = await open(t, store);
  const positions: Position[] = [];
  for (let i = 0; i <= times; i++) {
    const changes: JsonObject = i === 0 ? { filler, part: part(0) } : { part: part(i) };
    positions.push((await contexts.update('a', { changes }, { allowMissing: true })).position as Position);
  }
  return positions;
}

test('deltas that outweigh the document several times are neither merged nor read on: the document is sent', async (t) => {
  const { store, read } = counting();
  const positions = await written(t, store, 40);
  const { contexts } = await open(t, store);
  const { head } = await contexts.get('a');
  Object.assign(read, { calls: 0, bytes: 0, spoil: true });

  const near = await contexts.sync('a', positions.at(-2));
  t.is(near.kind, 'delta', 'one delta is sent as it is');
  for (const known of [positions[0], positions[20]]) {
    const result = await contexts.sync('a', known);
    t.like(result, { kind: 'full', reason: 'delta_larger' });
  }
  t.true(read.bytes < 5 * mergeCostMax(head.weight), `${read.bytes}`);

  // The answer is the same with the deltas in memory, where they would merge to less than the document.
  const warm = await open(t, counting().store);
  const first = (await warm.contexts.set('a', { filler, part: '' })).position;
  for (let i = 0; i < 15; i++) await warm.contexts.update('a', { changes: { part: part(i) } });
  t.like(await warm.contexts.sync('a', first), { kind: 'full', reason: 'delta_larger' });
});

test('another history and one that is gone are still told apart from too much of it', async (t) => {
  const { store } = counting();
  const positions = await written(t, store, 40);
  const { contexts } = await open(t, store);
  const known = { ...(positions[5] as Position), digest: 'ZZZZZZZZ' };
  t.like(await contexts.sync('a', known), { kind: 'full', reason: 'diverged' });
  await contexts.trim('a', 20);
  t.like(await contexts.sync('a', positions[5]), { kind: 'full', reason: 'history_truncated' });
});

test('readers that stand at one place share one read and one answer, and so do those that come back', async (t) => {
  const { store, read } = counting();
  const positions = await written(t, store, 40);
  const { contexts } = await open(t, store);
  await contexts.get('a');
  for (const version of [2, 37]) {
    Object.assign(read, { calls: 0, bytes: 0 });
    const known = positions[version];
    const first = await contexts.sync('a', known);
    const once = read.calls;
    const answers = await Promise.all(Array.from({ length: 20 }, () => contexts.sync('a', known)));
    t.is(read.calls, once, `${version}`);
    for (const each of answers) {
      if (each.kind === 'full') t.true(first.kind === 'full' && first.view === each.view);
      else t.true(each.kind === 'delta' && first.kind === 'delta' && first.delta === each.delta);
    }
  }
});

test('many small deltas cost more than their bytes: the document is sent, and none of them is decoded', async (t) => {
  const { store, read } = counting();
  const open = async () => {
    const chord = await openChord({ store, cleanupInterval: 0, deltaThreshold: 10_000 });
    t.teardown(() => chord.close());
    return chord.contexts;
  };
  const contexts = await open();
  const numbers = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`n${i}`, 0]));
  const positions = [(await contexts.set('a', numbers)).position as Position];
  for (let i = 1; i <= 400; i++) {
    positions.push((await contexts.update('a', { changes: { n5: i } })).position as Position);
  }
  t.like(await contexts.sync('a', positions.at(-100)), { kind: 'delta' });
  const { head } = await contexts.get('a');
  const history = await store.deltas('a', 1, 400);
  const records = history.kind === 'truncated' ? [] : history.records;
  t.is(records.length, 400);
  t.true(bytesOf(records) < mergeCostMax(head.weight), 'the bytes alone would do');
  read.spoil = true;
  for (const each of [contexts, await open()]) {
    t.like(await each.sync('a', positions[0]), { kind: 'full', reason: 'delta_larger' });
  }
});

/** How often others had their turn while this was done. */
async function turnsDuring(work: () => unknown): Promise<number> {
  let [turns, done] = [0, false];
  const count = () => {
    turns++;
    if (!done) setImmediate(count);
  };
  setImmediate(count);
  await work();
  done = true;
  return turns;
}

test('a large merge lets others have their turn', async (t) => {
  const chord = await open(t, openMemory());
  const members = (of: number) => Object.fromEntries(Array.from({ length: 20_000 }, (_, i) => [`m${i}`, of]));
  const first = (await chord.contexts.set('a', { filler: filler.repeat(12), members: members(0) })).position;
  for (let i = 1; i < 4; i++) await chord.contexts.update('a', { changes: { members: members(i) } });
  const turns = await turnsDuring(async () => {
    const result = await chord.contexts.sync('a', first);
    t.is(result.kind, 'delta');
  });
  t.true(turns > 8, `${turns}`);
});

test('a read of the past goes the shorter way, by a budget that it names', async (t) => {
  const { store, read } = counting();
  const { contexts } = await open(t, store);
  const text = (i: number) => `${i % 10}`.repeat(1_500_000);
  for (let i = 1; i <= 26; i++) await contexts.set('a', { text: text(i) });

  for (const version of [1, 2, 25]) {
    Object.assign(read, { calls: 0, bytes: 0 });
    const then = await contexts.past.atVersion('a', version);
    t.is(documentOf(then).text, text(version));
    t.is(then.head.position.version, version);
    t.true(read.bytes < 10_000_000, `${version}: ${read.bytes}`);
  }
  Object.assign(read, { calls: 0, bytes: 0 });
  const refused = await t.throwsAsync(contexts.past.atVersion('a', 13));
  t.like(refused, { reason: 'RESOURCE_EXHAUSTED' });
  t.regex(refused?.message ?? '', new RegExp(`${PAST_BYTES_MAX} bytes`));
  t.true(read.bytes < 2 * PAST_BYTES_MAX + 10_000_000, `${read.bytes}`);
  // Where the first records are gone there is one way only.
  await contexts.trim('a', 20);
  t.like(await t.throwsAsync(contexts.past.atVersion('a', 2)), { reason: 'FAILED_PRECONDITION' });
  t.is(documentOf(await contexts.past.atVersion('a', 22)).text, text(22));
});

test('an export has the newest part of a large history, and can be restored', async (t) => {
  const saved = new Map<string, string>();
  const provider = {
    save: async ({ id, text }: { id: string; text: string }) => void saved.set(id, text),
    load: async (id: string) => saved.get(id) ?? null,
    async *list() {},
    delete: async (id: string) => saved.delete(id),
    close: async () => {},
  };
  const chord = await openChord({ store: openMemory(), provider, cleanupInterval: 0 });
  t.teardown(() => chord.close());
  const text = (i: number) => `${i % 10}`.repeat(500_000);
  for (let i = 1; i <= 60; i++) await chord.contexts.set('a', { text: text(i) });
  const { position } = await chord.contexts.get('a').then(({ head }) => head);

  let exported = 0;
  const turns = await turnsDuring(async () => {
    exported = (await chord.transfer.export('a', true)).deltas;
  });
  t.true(turns > 10, `${turns}`);
  t.true(exported >= 10 && exported < 20, `${exported}`);
  t.true((saved.get('a') as string).length < 1.5 * HISTORY_BYTES_MAX);
  const restored = await chord.transfer.restore('a', true);
  t.deepEqual(restored.position, position);
  t.is(restored.deltas, exported);
  t.deepEqual(decodeStruct((await chord.contexts.get('a')).value.bytes), { text: text(60) });
  t.is(documentOf(await chord.contexts.past.atVersion('a', 55)).text, text(55));
});

test('a page with whole lists ends by what was made for it, and all pages together have every delta', async (t) => {
  const chord = await serve(t, { cleanupInterval: 0 });
  const peer = connect(t, chord.address);
  const list = Array.from({ length: 20_000 }, (_, i) => `element ${i}`);
  await chord.contexts.set('a', { list });
  for (let i = 0; i < 12; i++) {
    await chord.contexts.update('a', {
      mutations: [{ kind: 'splice', path: ['list'], index: i, removeCount: 1, insert: [i] }],
    });
  }
  const { deltas } = await chord.contexts.deltas('a', 1, { pageSize: 1000 });
  t.is(deltas.length, 12);
  const made = await chord.contexts.wholeValues.all(deltas, 'lists and strings');
  t.true(made.length >= 1 && made.length <= 3, `${made.length}`);

  const versions: number[] = [];
  for (let pageToken = ''; ; ) {
    const page = await peer.deltas({ contextId: 'a', fromVersion: 1, pageSize: 1000, pageToken, format: 'flat' });
    t.true(page.deltas.length <= 3);
    versions.push(...page.deltas.map(({ to }) => to?.version as number));
    if (!page.nextPageToken) break;
    pageToken = page.nextPageToken;
  }
  t.deepEqual(
    versions,
    Array.from({ length: 12 }, (_, i) => i + 2),
  );
});

test('a format whose answer would be too large is not made', async (t) => {
  const path = Array.from({ length: 4 }, () => 'k'.repeat(1000));
  const { contexts } = await open(t, openMemory());
  const numbers = (from: number) => Array.from({ length: 3000 }, (_, i) => from + i);
  await contexts.update(
    'a',
    { mutations: [{ kind: 'set', path, value: [-1, ...numbers(0)] }] },
    { allowMissing: true },
  );
  const mutations = [{ kind: 'splice' as const, path, index: 1, removeCount: 3000, insert: numbers(5000) }];
  const { delta } = await contexts.update('a', { mutations }, { returning: { delta: true } });
  let made = 0;
  const format = (...args: Parameters<typeof jsonPatch.format>) => {
    made++;
    return jsonPatch.format(...args);
  };
  const named = { ...jsonPatch, name: 'json_patch', whole: 'strings' as const, format };
  const answer = formatDelta(delta!, { key: 'json_patch', oldValues: false, format: named });
  t.true(answer instanceof TooLarge);
  t.regex((answer as TooLarge).why, /at least 1\d{7} bytes, the limit is/);
  t.is(made, 0);
  t.truthy(new Formats().form('json_patch', false).format?.bytesAtLeast);
});

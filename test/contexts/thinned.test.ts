/** Readers of a history that was thinned: each against the documents that the context really had. */
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { decodeChanges } from '../../src/codec/changes.js';
import { decodeStruct } from '../../src/codec/struct.js';
import { advance } from '../../src/contexts/position.js';
import { Awaited } from '../../src/contexts/sync/holding.js';
import type { ThinningPlan } from '../../src/contexts/thin.js';
import { apply } from '../../src/delta/index.js';
import type { JsonObject, Position } from '../../src/model/model.js';
import { type Engine, openChord } from '../../src/server/app.js';
import { openMemory } from '../../src/store/memory.js';
import type { Store } from '../../src/store/store.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { Reader } from '../support/reader.js';
import { planOf } from '../support/thinning.js';
import { over } from './stores.js';

/** Version v is written at this time. */
const STEP = 10;

/** Of versions other than these, nothing is retained; but for the oldest and the newest. */
function keeping(...versions: readonly number[]): ThinningPlan {
  return planOf((at) => !versions.includes(at / STEP));
}

interface Past {
  readonly position: Position;
  readonly value: JsonObject;
}

/** A context with these documents, one a version, and a way to open its store again with an empty memory. */
async function written(t: Pick<ExecutionContext, 'teardown'>, documents: readonly JsonObject[]) {
  const store = openMemory();
  let time = 0;
  const open = async (): Promise<Engine> => {
    const chord = await openChord({ store, clock: () => time, cleanupInterval: 0, deltaTtl: 1e9 });
    t.teardown(() => chord.close());
    return chord;
  };
  const { contexts } = await open();
  const past: Past[] = [];
  for (const value of documents) {
    time = (past.length + 1) * STEP;
    const { position, changed } = await contexts.set('a', structuredClone(value));
    if (changed) past.push({ position: position!, value });
  }
  return { contexts, open, store, past };
}

const counted = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ filler: 'x'.repeat(1000), n: i + 1, [`k${i % 7}`]: i }));

/** What a client has that stood at `known` and was sent this. */
async function synced({ contexts }: Pick<Engine, 'contexts'>, known: Past) {
  const result = await contexts.sync('a', known.position);
  if (result.kind === 'delta') {
    const { from, to, payload } = result.delta;
    if (from.version !== known.position.version || from.digest !== known.position.digest)
      throw new Error('another delta');
    const value = apply(decodeChanges(payload.changes, payload.olds), known.value);
    return { kind: 'delta', to, value };
  }
  if (result.kind === 'full')
    return { kind: result.reason, to: result.view.head.position, value: decodeStruct(result.view.value.bytes) };
  return { kind: result.kind, to: known.position, value: known.value };
}

test('kept versions read and sync exactly, and the others are never guessed', async (t) => {
  const json = fc.dictionary(
    fc.constantFrom('a', 'b', 'c'),
    fc.oneof(fc.nat(3), fc.array(fc.nat(2), { maxLength: 4 }), fc.string({ maxLength: 4 })),
  );
  const histories = fc.array(json, { minLength: 6, maxLength: 24 });
  await fc.assert(
    fc.asyncProperty(
      histories,
      fc.array(fc.array(fc.nat(23), { maxLength: 6 }), { minLength: 1, maxLength: 2 }),
      fc.boolean(),
      async (documents, rounds, afresh) => {
        const closing: (() => Promise<void>)[] = [];
        const teardown = ((close: () => Promise<void>) => closing.push(close)) as ExecutionContext['teardown'];
        // One write each, also where two documents are equal.
        const {
          open,
          store,
          past,
          contexts: first,
        } = await written(
          { teardown },
          documents.map((each, n) => ({ ...each, n })),
        );
        let kept = new Set(past.map(({ position }) => position.version));
        for (const round of rounds) {
          await first.thin('a', keeping(...round));
          kept = new Set([...kept].filter((v) => v === 1 || v === past.length || round.includes(v)));
        }
        const { contexts } = afresh ? await open() : { contexts: first };
        const head = past.at(-1)!;
        for (const { position, value } of past) {
          const { version } = position;
          const read = contexts.past.atVersion('a', version);
          const result = await synced({ contexts }, { position, value });
          t.deepEqual([result.to, result.value], [head.position, head.value]);
          if (!kept.has(version)) {
            await t.throwsAsync(read, { message: /no longer retained; version/ });
            t.is(result.kind, 'history_truncated');
            continue;
          }
          const view = await read;
          t.deepEqual([view.head.position, decodeStruct(view.value.bytes)], [position, value]);
          t.is(view.head.updatedAt, version * STEP);
          t.true(version === head.position.version || ['delta', 'delta_larger'].includes(result.kind), result.kind);
        }
        const read = await store.deltas('a', 0, 1000);
        const records = read.kind === 'records' ? read.records : [];
        t.deepEqual(new Set(records.map((record) => record.position.version)), kept);
        for (const record of records) {
          if (record.merged) t.is(advance(record.merged.base, record).digest, record.merged.seal);
        }
        for (const close of closing.reverse()) await close();
      },
    ),
    { numRuns: 60 },
  );
});

test('a merged delta is in memory, too, where it was read', async (t) => {
  const { contexts, past, open } = await written(t, counted(20));
  await contexts.thin('a', keeping(5, 10, 15));
  const again = await open();
  for (const i of [4, 0, 9, 5, 14, 11, 4]) {
    const { kind } = await synced(again, past[i]!);
    t.is(kind, [0, 4, 9, 14].includes(i) ? 'delta' : 'history_truncated', `version ${i + 1}`);
  }
});

test('a time answers the last kept version at or before it', async (t) => {
  const { contexts, past } = await written(t, counted(20));
  await contexts.thin('a', keeping(5, 12));
  for (let time = STEP; time <= 21 * STEP; time++) {
    const version = [20, 12, 5, 1].find((each) => each * STEP <= time)!;
    const view = await contexts.past.atTime('a', time);
    t.deepEqual(
      [view.head.position, decodeStruct(view.value.bytes)],
      [past[version - 1]!.position, past[version - 1]!.value],
    );
  }
});

test('a guard over a merged delta is history_truncated, from memory and from the store', async (t) => {
  const { contexts, past, open } = await written(t, counted(20));
  await contexts.thin('a', keeping(5, 10, 18, 19));
  const fresh = await open();
  await synced(fresh, past[4]!); // reads the deltas into memory
  for (const each of [contexts, (await open()).contexts, fresh.contexts]) {
    const guarded = async (version: number, path: string) => {
      const expected = { kind: 'unchanged' as const, since: past[version - 1]!.position, paths: [[path]] };
      return each.update('a', { changes: {} }, { expected }).then(
        () => 'ok',
        (error) => String(error),
      );
    };
    for (const version of [5, 7, 10]) t.regex(await guarded(version, 'never'), /retained|truncated/, `${version}`);
    for (const version of [18, 19, 20]) t.is(await guarded(version, 'never'), 'ok', `${version}`);
    t.regex(await guarded(18, 'n'), /changed|touched/);
  }
});

test('pages of deltas lead from kept version to kept version, and say where one begins later', async (t) => {
  const { contexts, past } = await written(t, counted(20));
  await contexts.thin('a', keeping(5, 10, 15));
  const page = async (from: number, pageSize?: number) => {
    const { deltas, truncated, nextPageToken } = await contexts.deltas('a', from, pageSize ? { pageSize } : {});
    return {
      steps: deltas.map((delta) => `${delta.from.version}-${delta.to.version}`).join(' '),
      truncated,
      more: nextPageToken !== '',
    };
  };
  t.deepEqual(await page(0), { steps: '0-1 1-5 5-10 10-15 15-20', truncated: false, more: false });
  t.deepEqual(await page(5), { steps: '5-10 10-15 15-20', truncated: false, more: false });
  t.deepEqual(await page(5, 1), { steps: '5-10', truncated: false, more: true });
  t.deepEqual(await page(7), { steps: '10-15 15-20', truncated: true, more: false });
  t.deepEqual(await page(9), { steps: '10-15 15-20', truncated: true, more: false });
  t.deepEqual(await page(20), { steps: '', truncated: false, more: false });
  let token = '';
  const all: JsonObject[] = [{}];
  do {
    const next = await contexts.deltas('a', 0, { pageSize: 2, pageToken: token });
    for (const { payload, to } of next.deltas) {
      all.push(apply(decodeChanges(payload.changes, payload.olds), all.at(-1)!));
      t.deepEqual(all.at(-1), past[to.version - 1]!.value);
    }
    token = next.nextPageToken;
  } while (token !== '');
  t.is(all.length, 6);
});

test('blame names the kept version that has a change first', async (t) => {
  // Wider gaps than blame reads at once.
  const documents = counted(200).map((each, i) => ({
    a: i < 50 ? 0 : 1,
    b: i < 3 ? 0 : 1,
    list: Array.from({ length: i }, (_, k) => i - k),
    ...each,
  }));
  const { contexts } = await written(t, documents);
  await contexts.thin('a', keeping(40, 100, 150));
  const { lines, olderThan } = await contexts.past.blame('a', [['a'], ['b'], ['list'], ['n'], ['filler']], {});
  const made = lines.map(({ path, run, by }) => `${path} ${run?.index ?? ''} ${by?.version}`);
  const expected = [
    'a  100',
    'b  40',
    'list 0 200',
    'list 50 150',
    'list 100 100',
    'list 160 40',
    'n  200',
    'filler 0 1',
  ];
  t.deepEqual(made.sort(), expected.sort());
  t.is(olderThan, 0);
});

test('a wait that looks back finds what held at kept versions', async (t) => {
  const documents = Array.from({ length: 20 }, (_, i) => ({ n: i + 1, m: i < 12 ? 1 : 0 }));
  const { contexts, past } = await written(t, documents);
  await contexts.thin('a', keeping(5, 10, 15));
  const heldAt = async (check: object, known: number) => {
    const awaited = new Awaited([check as never]);
    return (await contexts.look('a', awaited, past[known - 1]!.position))?.heldAt?.version;
  };
  const is = (path: string, value: number) => ({ path: [path], test: { kind: 'equals', value } });
  t.is(await heldAt(is('n', 10), 5), 10);
  t.is(await heldAt(is('m', 1), 5), 10, 'as before, at the next kept version');
  t.is(await heldAt(is('n', 20), 5), 20);
  t.is(await heldAt(is('n', 12), 5), undefined, 'merged away');
  // From a version that was merged away, the current one alone counts.
  t.is(await heldAt(is('n', 10), 7), undefined);
  t.is(await heldAt(is('n', 20), 7), 20);
});

test('a reader that stalls or comes back gets a delta from kept versions, and the document from others', async (t) => {
  for (const stands of [10, 12]) {
    const { open } = await written(t, counted(stands));
    const { contexts, hub } = await open();
    const stalled = new Reader(['a']).open(contexts, hub);
    await stalled.beat();
    stalled.stalled = true;
    for (let n = stands + 1; n <= 20; n++) await contexts.update('a', { changes: { n } });
    const back = new Reader(['a'], stalled.copies);
    await contexts.thin('a', keeping(5, 10, 15));
    const { value } = await contexts.get('a');
    for (const reader of [back.open(contexts, hub), stalled]) {
      const before = reader.log.length;
      reader.resume();
      await reader.beat();
      t.is(reader.log[before], stands === 10 ? 'delta a 10-20' : 'full history_truncated a 20');
      t.deepEqual(reader.copies.get('a')?.value, decodeStruct(value.bytes));
    }
  }
});

test('a revert to a kept version is exact, and one to another version is refused', async (t) => {
  const { contexts, past } = await written(t, counted(20));
  await contexts.thin('a', keeping(5, 10, 15));
  await contexts.revert('a', 10);
  t.deepEqual(decodeStruct((await contexts.get('a')).value.bytes), past[9]!.value);
  await t.throwsAsync(contexts.revert('a', 9), {
    message: /version 9 of "a" is no longer retained; versions 5 and 10 are/,
  });
});

test('what is thinned between two reads of one request is never put together wrongly', async (t) => {
  const documents = Array.from({ length: 60 }, (_, i) => ({
    filler: 'x'.repeat(5000),
    n: i + 1,
    list: Array.from({ length: i }, (_, k) => i - k),
    [`k${i % 7}`]: i,
  }));
  const { store, past } = await written(t, documents);
  const keep = keeping(7, 20, 33, 34, 50);
  // After each number of reads, the history is thinned before the next one.
  for (let reads = 1; reads <= 14; reads++) {
    const copy = openMemory();
    const { contexts: writer } = await openChord({ store: copy, clock: () => 1, cleanupInterval: 0 });
    t.true(await copyOf(store, copy));
    let count = 0;
    const paged = over(copy, {
      deltas: async (id, after, limit, bytes) => {
        const answer = await copy.deltas(id, after, Math.min(limit, 5), bytes);
        if (++count === reads) await writer.thin('a', keep);
        return answer;
      },
    });
    const open = async (): Promise<Engine> => {
      const chord = await openChord({ store: paged, clock: () => 1e6, cleanupInterval: 0 });
      t.teardown(() => chord.close());
      return chord;
    };
    const head = past.at(-1)!;
    const chord = await open();
    const { contexts } = chord;
    await contexts.get('a');
    const action = reads % 2 === 0 ? 7 : 34;
    const { value, to } = await synced(chord, past[action - 1]!);
    t.deepEqual([to, value], [head.position, head.value], `sync, ${reads}`);
    const view = await contexts.past.atVersion('a', action).catch(String);
    if (typeof view === 'string') t.regex(view, /try again/);
    else t.deepEqual(decodeStruct(view.value.bytes), past[action - 1]!.value, `past, ${reads}`);
    const again = await contexts.past.atVersion('a', action).catch(() => contexts.past.atVersion('a', action));
    t.deepEqual(decodeStruct(again.value.bytes), past[action - 1]!.value);
  }
});

/** Copies the context of a memory store, as an import does. */
async function copyOf(from: Store, to: Store): Promise<boolean> {
  const read = await from.deltas('a', 0, 1000);
  const head = await from.head('a');
  if (read.kind !== 'records' || !head) return false;
  let expected: Position | null = null;
  for (const { position, at, changes, olds } of read.records) {
    const weight = position.version === head.position.version ? head.weight : 10;
    const next = { ...head, position, createdAt: STEP, updatedAt: at, weight };
    const outcome = await to.commit({ id: 'a', expected, head: next, payload: { changes, olds } });
    if (outcome.kind !== 'committed') return false;
    expected = position;
  }
  return true;
}

test('an export has the deltas since the last merged one, and its restore the same positions', async (t) => {
  for (const kept of [[5, 10, 15, 16, 17, 18, 19], [5]]) {
    const { contexts, store, past } = await written(t, counted(20));
    await contexts.thin('a', keeping(...kept));
    const exportUrl = `file:${await temporaryDirectory(t)}`;
    const chord = await openChord({ store, exportUrl, cleanupInterval: 0 });
    t.teardown(() => chord.close());
    t.is((await chord.transfer.export('a', true)).deltas, kept.includes(19) ? 4 : 0);
    await chord.contexts.delete('a');
    t.deepEqual((await chord.transfer.restore('a', false)).position, past[19]!.position);
    const read = await store.deltas('a', 15, 100);
    t.is(read.kind, kept.includes(19) ? 'records' : 'truncated');
    for (const each of past.slice(16)) {
      const { kind, value } = await synced(chord, each);
      t.deepEqual(value, past[19]!.value);
      if (each.position.version < 20) t.is(kind, kept.includes(19) ? 'delta' : 'history_truncated');
    }
  }
});

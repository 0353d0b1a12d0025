/** Waits: they end at the first version that meets their checks, whether it is seen as it comes, or found in the history. */
import { setImmediate as turn } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import fc from 'fast-check';
import type { Mutation } from '../../src/contexts/writes/mutations.js';
import type { DocumentCheck } from '../../src/model/conditions.js';
import { getMember, isObject, type Json, type JsonObject, type Position } from '../../src/model/model.js';
import { type Engine, openChord } from '../../src/server/app.js';
import { openMemory } from '../../src/store/memory.js';
import { Waiter } from '../../src/watch/waiter.js';
import { shared } from '../contexts/stores.js';
import { documentOf } from '../support/reader.js';

const open = () => openChord({ backend: 'memory' });

/** A wait, and the version at which it ended. */
function wait({ contexts, hub }: Engine, id: string, checks: readonly DocumentCheck[], known?: Position) {
  let close = () => {};
  const met = new Promise<number>((resolve, reject) => {
    const waiter = new Waiter(
      contexts,
      hub,
      { id, known, checks },
      {
        met: async (at) => {
          resolve(at.version);
          return true;
        },
        fail: reject,
      },
    );
    close = () => waiter.close();
    waiter.open().catch(reject);
  });
  return { met, close };
}

/** Resolves after all that other waits of the context have begun. */
async function looked(contexts: Engine['contexts'], id: string): Promise<'not met'> {
  for (let i = 0; i < 5; i++) {
    await contexts.get(id);
    await turn();
  }
  return 'not met';
}

const equals = (value: Json, ...path: string[]): DocumentCheck => ({ path, test: { kind: 'equals', value } });
const key = fc.constantFrom('a', 'b');
const path = fc.array(key, { minLength: 1, maxLength: 2 });
const value = fc.constantFrom<Json>(0, 1, 2, {}, [1]);
const step: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), path, value }),
  fc.record({ kind: fc.constant('remove' as const), path }),
);
const check: fc.Arbitrary<DocumentCheck> = fc.record({
  path,
  test: fc.oneof(
    fc.record({ kind: fc.constant('equals' as const), value }),
    fc.record({ kind: fc.constant('exists' as const), yes: fc.boolean() }),
    fc.record({ kind: fc.constant('atLeast' as const), limit: fc.constantFrom(1, 2) }),
  ),
});

function meets(document: JsonObject, { path, test }: DocumentCheck): boolean {
  let at: Json | undefined = document;
  for (const each of path) at = isObject(at) ? getMember(at, each) : undefined;
  if (test.kind === 'exists') return (at !== undefined) === test.yes;
  if (test.kind === 'equals') return at !== undefined && isDeepStrictEqual(at, test.value);
  return typeof at === 'number' && 'limit' in test && at >= test.limit;
}

test('a wait ends at the first version after its position that met the checks, seen or in the history', async (t) => {
  const chord = await open();
  const { contexts, hub } = chord;
  let runs = 0;
  const law = fc.asyncProperty(
    fc.array(step, { maxLength: 8 }),
    fc.array(check, { minLength: 1, maxLength: 2 }),
    fc.nat(),
    fc.nat(),
    async (steps, checks, from, begin) => {
      const id = `w:${runs++}`;
      const last: DocumentCheck = equals('end', 'end');
      const documents: JsonObject[] = [{}];
      const positions = [(await contexts.set(id, {})).position!];
      let waiting: ReturnType<typeof wait> | undefined;
      let known = 0;
      const start = async (now: number) => {
        if (waiting || now < begin % (steps.length + 1)) return;
        known = from % positions.length;
        waiting = wait(chord, id, checks, positions[known]);
        // Half of the waits begin while writes go on.
        if (begin % 2 === 0) await contexts.get(id);
      };
      for (const [now, mutation] of steps.entries()) {
        await start(now);
        const written = await contexts.update(id, { mutations: [mutation] }).catch(() => undefined);
        if (!written?.changed) continue;
        positions.push(written.position!);
        documents.push(documentOf(await contexts.get(id)) as JsonObject);
      }
      await start(steps.length);
      const first = documents.findIndex((document, i) => {
        const counts = i > known || (i === known && known === positions.length - 1);
        return counts && checks.every((each) => meets(document, each));
      });
      const end = wait(chord, id, [last]);
      await contexts.update(id, { mutations: [{ kind: 'set', path: ['end'], value: 'end' }] });
      await end.met;
      end.close();
      // A wait that began at the current version, and met the checks there, ended there.
      const atKnown = checks.every((each) => meets(documents[known]!, each));
      const atEnd = checks.every((each) => meets({ ...documents.at(-1)!, end: 'end' }, each));
      if (first >= 0 && !atKnown) t.is(await waiting!.met, first + 1);
      else if (!atKnown && !atEnd) t.is(await Promise.race([waiting!.met, looked(contexts, id)]), 'not met');
      waiting!.close();
    },
  );
  await fc.assert(law, { numRuns: Number(process.env.CHORD_RUNS ?? 100) });
  t.is(hub.watched, 0);
  await chord.close();
});

test('a wait of a context that does not exist ends when it is created so, in whatever life', async (t) => {
  const chord = await open();
  const { contexts, hub } = chord;
  const { met, close } = wait(chord, 'job', [equals('done', 'state')]);
  await contexts.set('job', { state: 'new' });
  await contexts.delete('job');
  await contexts.batch([
    { kind: 'set', id: 'job', value: { state: 'new' } },
    { kind: 'set', id: 'other', value: {} },
  ]);
  await contexts.batch([{ kind: 'update', id: 'job', mutations: [{ kind: 'set', path: ['state'], value: 'done' }] }]);
  t.is(await met, 2);
  t.is(hub.watched, 1);
  close();
  t.is(hub.watched, 0);
  await chord.close();
});

test('of a change elsewhere in the document nothing is decoded', async (t) => {
  const store = openMemory();
  const chord = await openChord({ store: () => store });
  const { contexts } = chord;
  await contexts.set('a', { state: 'new', n: 0 });
  const { met, close } = wait(chord, 'a', [equals('done', 'state')]);
  for (let i = 1; i <= 5; i++) await contexts.update('a', { mutations: [{ kind: 'increment', path: ['n'], by: 1 }] });
  for (let turns = 0; turns < 10; turns++) await turn(); // the first look and the fan-outs are over
  const { deltas } = store;
  let reads = 0;
  store.deltas = (...args) => {
    reads++;
    return deltas.apply(store, args);
  };
  for (let i = 1; i <= 50; i++) await contexts.update('a', { mutations: [{ kind: 'increment', path: ['n'], by: 1 }] });
  await contexts.update('a', { mutations: [{ kind: 'set', path: ['state'], value: 'done' }] });
  t.is(await met, 57);
  t.is(reads, 0, 'a watcher, not a poll');
  close();
  await chord.close();
});

test('the writes of other servers end a wait, told or not', async (t) => {
  const { stores, gap } = shared(2, () => 'lost');
  const chords = await Promise.all(stores.map((store) => openChord({ store: () => store })));
  const [here, there] = chords as [Engine, Engine];
  await there.contexts.set('a', { state: 'new' });
  const { met, close } = wait(here, 'a', [equals('done', 'state')]);
  await here.contexts.get('a');
  for (const state of ['done', 'gone']) {
    await there.contexts.update('a', { mutations: [{ kind: 'set', path: ['state'], value: state }] });
  }
  gap();
  t.is(await met, 2);
  close();
  for (const chord of chords) await chord.close();
});

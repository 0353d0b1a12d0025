/** Documents as plain objects, for programs that use Chord without a network. */
import test from 'ava';
import { decodeStruct } from '../../../src/codec/struct.js';
import { DECODED } from '../../../src/contexts/lane/document.js';
import { openChord } from '../../../src/server/app.js';

test('a decoded document is the one that is encoded, and the reader’s own', async (t) => {
  const { contexts, close } = await openChord({ backend: 'memory' });
  t.teardown(close);
  await contexts.set('a', { list: [1, { two: 2 }], ['__proto__']: { own: true }, n: 1 });
  const [encoded, decoded] = [await contexts.get('a'), await contexts.get('a', DECODED)];
  t.deepEqual(decoded.value, decodeStruct(encoded.value.bytes));
  t.deepEqual(decoded.head, encoded.head);

  decoded.value.n = 'changed';
  (decoded.value.list as unknown[]).push('more');
  t.deepEqual((await contexts.get('a', DECODED)).value.list, [1, { two: 2 }]);
  await contexts.update('a', { changes: { n: 2 } });
  t.is(decoded.value.n, 'changed');
  t.is((await contexts.get('a', DECODED)).value.n, 2);
});

test('a sync that takes the document while writes are in flight gets it as it stood when it was asked for', async (t) => {
  const { contexts, close } = await openChord({ backend: 'memory' });
  t.teardown(close);
  await contexts.set('a', { n: 0 });
  const answers = [];
  for (let n = 1; n <= 3; n++) {
    void contexts.update('a', { changes: { n } });
    answers.push(contexts.sync('a', undefined, DECODED));
  }
  const found = (await Promise.all(answers)).map((result) => result.kind === 'full' && result.view);
  t.deepEqual(
    found.map((view) => view && [view.value.n, view.head.position.version]),
    [
      [1, 2],
      [2, 3],
      [3, 4],
    ],
  );
});

test('decoded, too, a reader gets what it lacks', async (t) => {
  const { contexts, close } = await openChord({ backend: 'memory' });
  t.teardown(close);
  const first = (await contexts.set('a', { n: 1, text: 'long enough '.repeat(20) })).position;
  t.like(await contexts.sync('a', first, DECODED), { kind: 'no_change' });
  await contexts.update('a', { changes: { n: 2 } });
  t.like(await contexts.sync('a', first, DECODED), { kind: 'delta' });
  // A delta that is larger than the document is no worse where nothing goes over the wire.
  await contexts.set('a', { n: 3 });
  t.like(await contexts.sync('a', first, DECODED), { kind: 'delta' });
  t.like(await contexts.sync('nobody', undefined, DECODED), { kind: 'missing' });
});

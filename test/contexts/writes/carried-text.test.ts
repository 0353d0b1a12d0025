/** Splices of text in guarded writes name places of the position that the write rests on. */
import test from 'ava';
import { decodeStruct } from '../../../src/codec/struct.js';
import { openChord } from '../../../src/server/app.js';
import { openMemory } from '../../../src/store/memory.js';

test('a splice of text is carried through later splices; an overlap is a conflict', async (t) => {
  const chord = await openChord({ store: openMemory(), cleanupInterval: 0 });
  t.teardown(() => chord.close());
  const { contexts } = chord;
  const { position: since } = await contexts.set('a', { s: '𝄞one two' });
  const splice = (index: number, removeCount: number, insert: string) => ({
    mutations: [{ kind: 'splice_text' as const, path: ['s'], index, removeCount, insert }],
  });
  await contexts.update('a', splice(0, 1, '𝄟𝄟𝄟'));
  const expected = { kind: 'unchanged' as const, since: since!, paths: [] };
  await contexts.update('a', splice(5, 3, 'TWO'), { expected });
  t.deepEqual(decodeStruct((await contexts.get('a')).value.bytes), { s: '𝄟𝄟𝄟one TWO' });
  const { mutations } = splice(0, 1, 'x');
  const error = await t.throwsAsync(contexts.update('a', { mutations }, { expected }));
  t.like(error, { reason: 'ABORTED' });
});

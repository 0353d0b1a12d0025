/** Text that grows: over sockets, on disk, in the past, and in every form of an answer. */
import test from 'ava';
import { changesFromProto } from '../../src/codec/changes.js';
import { apply } from '../../src/delta/index.js';
import { ChangeAction, type Position } from '../../src/gen/chord/v1/model.js';
import type { JsonObject } from '../../src/model/model.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { connect, refused, serve } from '../support/chord.js';

const INVALID_ARGUMENT = 3;
const path = ['o', 'answer'];
const contextId = 'a';
const WORDS = Array.from({ length: 100 }, (_, i) => (i % 3 === 0 ? `𝄞e\u0301${i} ` : `word${i} `));
const FIRST = 'An answer, with 𝄞: ';
const append = (value: string) => ({ path, operation: { $case: 'appendText' as const, value } });
const splice = (index: number, removeCount: number, insert: string) => ({
  path,
  operation: { $case: 'spliceText' as const, value: { index, removeCount, insert } },
});
const documentOf = (answer: string): JsonObject => ({ o: { answer }, rest: 'r'.repeat(20_000) });

for (const backend of ['memory', 'lmdb'] as const) {
  test(`appends: one insert for who was away, each version as it was, over a restart: ${backend}`, async (t) => {
    const dataDir = await temporaryDirectory(t);
    const exports = await temporaryDirectory(t);
    const options = { backend, dataDir, exportUrl: `file:${exports}` };
    let chord = await serve(t, options);
    let peer = connect(t, chord.address);
    const positions: Position[] = [(await peer.set({ contextId, value: documentOf(FIRST) })).position!];
    for (const word of WORDS) {
      positions.push((await peer.update({ contextId, mutations: [append(word)] })).position!);
    }
    if (backend === 'lmdb') {
      await chord.close();
      chord = await serve(t, options);
      peer = connect(t, chord.address);
    }
    const whole = FIRST + WORDS.join('');
    for (const [version, known] of positions.slice(0, -1).entries()) {
      if (version % 10 > 0) continue;
      const { result } = await peer.sync({ contextId, known, includeOldValues: true });
      const delta = result?.$case === 'delta' ? result.value : undefined;
      const inserted = WORDS.slice(version).join('');
      const index = [...whole].length - [...inserted].length;
      t.deepEqual(delta?.changes, [
        {
          path,
          action: ChangeAction.SPLICED,
          value: undefined,
          oldValue: undefined,
          splice: undefined,
          textSplice: { index, removedCount: 0, removed: '', inserted },
        },
      ]);
      const before = documentOf(FIRST + WORDS.slice(0, version).join(''));
      t.deepEqual(apply(changesFromProto(delta!.changes), before), documentOf(whole));
      t.deepEqual((await peer.get({ contextId, version: version + 1 })).context?.value, before);
    }
    const { context } = await peer.get({ contextId });
    const { context: exported } = await peer.export({ contextId, history: true });
    t.is(exported?.deltas, positions.length);
    await peer.delete({ contextId });
    const restored = await peer.restore({ contextId });
    t.deepEqual(restored.context?.position, context?.position);
    t.deepEqual((await peer.get({ contextId })).context?.value, documentOf(whole));
    t.deepEqual(
      (await peer.get({ contextId, version: 50 })).context?.value,
      documentOf(FIRST + WORDS.slice(0, 49).join('')),
    );
    const reverted = await peer.revert({
      contextId,
      version: 50,
      returning: { context: false, delta: true, oldValues: false, format: '' },
    });
    t.is(reverted.delta?.changes[0]?.textSplice?.inserted, '');
    t.deepEqual((await peer.get({ contextId })).context?.value, documentOf(FIRST + WORDS.slice(0, 49).join('')));
  });
}

test('a string that is set anew comes as a splice; the formats have it whole', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  const { position: known } = await peer.set({ contextId, value: documentOf(FIRST) });
  const after = `${FIRST.replace('𝄞', '𝄟')}and so on`;
  await peer.set({ contextId, value: documentOf(after) });
  const { result } = await peer.sync({ contextId, known });
  const delta = result?.$case === 'delta' ? result.value : undefined;
  t.like(delta?.changes[0], {
    action: ChangeAction.SPLICED,
    textSplice: { index: 16, removedCount: 3, inserted: '𝄟: and so on' },
  });
  t.is(delta?.changes.length, 1);
  const formatted = async (format: string, includeOldValues: boolean) => {
    const { result } = await peer.sync({ contextId, known, format, includeOldValues });
    return result?.$case === 'delta' ? result.value.formatted : undefined;
  };
  t.deepEqual(await formatted('json_patch', true), [
    { op: 'test', path: '/o/answer', value: FIRST },
    { op: 'replace', path: '/o/answer', value: after },
  ]);
  t.deepEqual(await formatted('merge_patch', false), { o: { answer: after } });
  t.deepEqual(await formatted('flat', false), [
    { key_path: path, action: 'modified', value: after, context_id: contextId },
  ]);
});

test('what is no string, or beyond its end, is refused and changes nothing', async (t) => {
  const peer = connect(t, (await serve(t)).address);
  await peer.set({ contextId, value: documentOf('𝄞') });
  for (const [mutation, field] of [
    [splice(2, 0, ''), 'mutations[1].splice_text'],
    [splice(0, 2, ''), 'mutations[1].splice_text'],
    [splice(4_294_967_295, 4_294_967_295, ''), 'mutations[1].splice_text'],
    [{ ...append('a'), path: ['o'] as string[] }, 'mutations[1].append_text'],
    [{ ...append('a'), path: [...path, 'below'] as string[] }, 'mutations[1].path'],
  ] as const) {
    const error = await refused(peer.update({ contextId, mutations: [append(''), mutation] }));
    t.is(error.code, INVALID_ARGUMENT);
    t.true(error.message.startsWith(`${field}:`), error.message);
  }
  t.is((await peer.get({ contextId })).context?.position?.version, 1);
});

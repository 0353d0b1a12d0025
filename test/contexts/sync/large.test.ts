/** Answers from large documents and deltas: in steps, and what they are at once. */
import { isDeepStrictEqual } from 'node:util';
import test from 'ava';
import { decodeChanges } from '../../../src/codec/changes.js';
import { decodeStruct, decodeValue } from '../../../src/codec/struct.js';
import type { DeltaView, SyncResult, View } from '../../../src/contexts/events.js';
import { Formats, type FormattedForm, formatDelta } from '../../../src/contexts/sync/formats.js';
import { fit } from '../../../src/contexts/sync/projection.js';
import { apply } from '../../../src/delta/index.js';
import { projectDocument, projectionOf } from '../../../src/delta/projection.js';
import type { JsonObject } from '../../../src/model/model.js';
import { openChord } from '../../../src/server/app.js';
import { openMemory } from '../../../src/store/memory.js';
import { turnsOf } from '../../support/turns.js';

const MEMBERS = 20_000;
const document = (n: number): JsonObject => ({
  n,
  many: Object.fromEntries(Array.from({ length: MEMBERS }, (_, i) => [`key-${i}`, `value-${n}-${i}`])),
  list: Array.from({ length: MEMBERS }, (_, i) => i),
  other: { kept: 'x'.repeat(2_000_000) },
});
const scope = projectionOf([['many'], ['list'], ['n']]);
const FLAT = new Formats().form('flat', true) as FormattedForm;

async function chord() {
  const { contexts } = await openChord({ store: openMemory() });
  const { position } = await contexts.set('a', document(0));
  const changes = { many: document(1).many! };
  const splice = { kind: 'splice' as const, path: ['list'], index: 7, removeCount: 2, insert: [-1] };
  await contexts.update('a', { changes, mutations: [splice] });
  await contexts.update('a', { changes: { n: 1 } });
  return { contexts, from: position! };
}

/** What is answered, and the turns that other work had meanwhile. */
async function asked<T>(ask: () => T | Promise<T>): Promise<{ answer: T; turns: number }> {
  const answer = Promise.resolve(ask());
  const turns = await turnsOf(answer);
  return { answer: await answer, turns };
}

const deltaOf = (result: SyncResult): DeltaView => (result as { delta: DeltaView }).delta;
const viewOf = (result: SyncResult): View => (result as { view: View }).view;

test('a large delta is merged, projected, made whole and formatted in steps', async (t) => {
  const { contexts, from } = await chord();
  const before = document(0);
  const after = decodeStruct((await contexts.get('a')).value.bytes);
  const merged = await asked(() => contexts.sync('a', from));
  t.true(merged.turns >= 4, `merged: ${merged.turns} turns`);
  const delta = deltaOf(merged.answer);
  const changes = decodeChanges(delta.payload.changes, delta.payload.olds);
  t.true(isDeepStrictEqual(apply(changes, before), after));

  const part = await asked(() => fit(merged.answer, { scope }, contexts.wholeValues));
  t.true(part.turns >= 4, `projected: ${part.turns} turns`);
  const { payload } = deltaOf(part.answer);
  const projected = apply(decodeChanges(payload.changes, payload.olds), projectDocument(before, scope));
  t.true(isDeepStrictEqual(projected, projectDocument(after, scope)));

  const flat = await asked(() => fit(merged.answer, { form: FLAT }, contexts.wholeValues));
  t.true(flat.turns >= 8, `formatted: ${flat.turns} turns`);
  const entries = decodeValue(formatDelta(deltaOf(flat.answer), FLAT) as Uint8Array) as JsonObject[];
  t.is(entries.length, MEMBERS + 2);
  const list = entries.find(({ key_path }) => isDeepStrictEqual(key_path, ['list']));
  t.true(isDeepStrictEqual([list?.old_value, list?.value], [before.list, after.list]));
});

test('a part of a large document is made in steps, once for all who ask', async (t) => {
  const { contexts } = await chord();
  const whole = await contexts.sync('a', undefined);
  const part = await asked(() => fit(whole, { scope }, contexts.wholeValues));
  t.true(part.turns >= 4, `${part.turns} turns`);
  const expected = projectDocument(decodeStruct(viewOf(whole).value.bytes), scope);
  t.true(isDeepStrictEqual(decodeStruct(viewOf(part.answer).value.bytes), expected));
  const again = fit(whole, { scope }, contexts.wholeValues) as SyncResult;
  t.is(viewOf(again), viewOf(part.answer));
});

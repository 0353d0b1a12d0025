/** Request ids: whose they are, what they are compared by, what they take. */
import { randomUUID } from 'node:crypto';
import test from 'ava';
import { fingerprint } from '../../../src/contexts/writes/fingerprint.js';
import { openChord } from '../../../src/server/app.js';
import { openMemory } from '../../../src/store/memory.js';
import { encodeRequest } from '../../../src/store/record-format.js';
import type { Commit } from '../../../src/store/store.js';
import { over } from '../stores.js';

test('a request id is its caller’s: another one neither spoils a repeat nor learns of it', async (t) => {
  const { contexts, close } = await openChord({ backend: 'memory' });
  t.teardown(close);
  const write = (caller: string | undefined, n: number) =>
    contexts.set('a', { n }, { requestId: 'r', ...(caller && { caller }) });
  const mallory = await write('mallory', 0);
  const first = await write('ann', 1);
  t.is(first.position!.version, mallory.position!.version + 1);
  t.deepEqual((await write('ann', 1)).position, first.position);
  await t.throwsAsync(write('ann', 2), { message: /requestId/ });
  t.is((await write(undefined, 1)).changed, false, 'a write of its own, that changes nothing');
  const batch = (caller: string, n: number) =>
    contexts.batch([{ kind: 'set', id: 'b', value: { n } }], { requestId: 'r', caller });
  await batch('mallory', 1);
  t.is((await batch('ann', 2))[0]!.position!.version, 2);
  t.is((await batch('ann', 2))[0]!.position!.version, 2);
  await t.throwsAsync(batch('ann', 3), { message: /requestId/ });
});

test('no two pairs of caller and id are one', async (t) => {
  const { contexts, close } = await openChord({ backend: 'memory' });
  t.teardown(close);
  await contexts.set('a', { n: 1 }, { requestId: 'nr', caller: 'an' });
  t.is((await contexts.set('a', { n: 2 }, { requestId: 'r', caller: 'ann' })).position!.version, 2);
});

test('a fingerprint goes by everything but the order of members', (t) => {
  const whole = { a: 1, b: [{ x: 'y', z: null }, true], c: { d: -0 } };
  const same = { c: { d: -0 }, b: [{ z: null, x: 'y' }, true], a: 1, left: undefined };
  t.is(fingerprint(whole), fingerprint(same));
  const others = [
    { ...whole, a: 2 },
    { ...whole, a: '1' },
    { ...whole, b: [true, { x: 'y', z: null }] },
    { ...whole, b: [{ x: 'y', z: null }, [true]] },
    { ...whole, b: [{ x: 'y' }, true] },
    { ...whole, c: { d: 0 } },
    { ...whole, c: {}, d: -0 },
    { ...whole, c: { d: -0, e: {} } },
    [whole],
    { a: { b: 1 } },
    { b: { a: 1 } },
    { ab: 'c' },
    { a: 'bc' },
  ];
  t.is(new Set([whole, ...others].map(fingerprint)).size, others.length + 1);
});

test('what is remembered of a write takes some sixty bytes, whatever the id of its request', async (t) => {
  const commits: Commit[] = [];
  const memory = openMemory();
  const commit = (each: Commit) => {
    commits.push(each);
    return memory.commit(each);
  };
  const { contexts, close } = await openChord({ store: over(memory, { commit }) });
  t.teardown(close);
  for (const requestId of [randomUUID(), 'r'.repeat(128)]) await contexts.set('a', { requestId }, { requestId });
  for (const { request } of commits) {
    t.is(request!.id.length, 16);
    t.true(encodeRequest(request!).length <= 44);
  }
});

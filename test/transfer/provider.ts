/**
 * The export provider contract as tests: what src/transfer/provider.ts promises, on any provider.
 *
 *     testProvider(test, 'my provider', async () => ({ provider, reopen, destroy }))
 */
import { setMaxListeners } from 'node:events';
import type { ExecutionContext, TestFn } from 'ava';
import type { Provider, SavedContext } from '../../src/transfer/provider.js';

/** A provider over storage of its own, empty at first. */
export interface Subject {
  readonly provider: Provider;
  /** Another one on the same data. */
  readonly reopen: () => Promise<Provider>;
  /** Closes the provider too. */
  readonly destroy: () => Promise<void>;
}

export const SIGNAL = new AbortController().signal;
setMaxListeners(0, SIGNAL);

const HOSTILE_IDS = [
  '..',
  '.',
  '/',
  '../../etc/passwd',
  'a/b',
  'a\\b',
  'a%2fb',
  '%',
  'room:1',
  'Room:1',
  'ROOM:1',
  '~',
  'a.json',
  '.json',
  '-',
  ' ',
  'a\nb',
  '\u0001',
  '*',
  "'; drop table chord_exports; --",
  '%_',
  'ü',
  '日本語',
  '😀',
  '__proto__',
  'x'.repeat(512),
  `${'x'.repeat(511)}y`,
  'Ä'.repeat(256),
  '日'.repeat(170),
];

export function savedOf(
  id: string,
  text = `{"format":"chord.context/1","contextId":${JSON.stringify(id)}}`,
): SavedContext {
  return { id, position: { epoch: 'epoch001', version: 3, digest: 'digest01' }, exportedAt: 1_700_000_000_123, text };
}

export async function listed(provider: Provider, prefix = ''): Promise<string[]> {
  const ids: string[] = [];
  for await (const id of provider.list(prefix, SIGNAL)) ids.push(id);
  return ids.sort();
}

export function testProvider(test: TestFn, name: string, make: () => Promise<Subject>): void {
  const check = (title: string, body: (t: ExecutionContext, subject: Subject) => Promise<void>) =>
    test(`${name}: ${title}`, async (t) => {
      const subject = await make();
      try {
        await body(t, subject);
      } finally {
        await subject.destroy();
      }
    });

  check('nothing is there at first', async (t, { provider }) => {
    t.is(await provider.load('a', SIGNAL), null);
    t.deepEqual(await listed(provider), []);
    t.false(await provider.delete('a', SIGNAL));
  });

  check('what was saved is given back as it was, also to another one', async (t, { provider, reopen }) => {
    const texts = ['{"zero":-0, "b":1,  "a":2}', `"${'long '.repeat(1_000_000)}"`, '"\\u0000 ü 日 😀 \\" \'"'];
    for (const [i, text] of texts.entries()) await provider.save(savedOf(`id ${i}`, text), SIGNAL);
    const other = await reopen();
    for (const [i, text] of texts.entries()) {
      t.true((await provider.load(`id ${i}`, SIGNAL)) === text);
      t.true((await other.load(`id ${i}`, SIGNAL)) === text);
    }
    t.deepEqual(await listed(other), ['id 0', 'id 1', 'id 2']);
    await other.close();
  });

  check('the last save counts', async (t, { provider }) => {
    await provider.save(savedOf('a', '{"much":"longer than the other"}'), SIGNAL);
    await provider.save(savedOf('a', '{}'), SIGNAL);
    t.is(await provider.load('a', SIGNAL), '{}');
    t.deepEqual(await listed(provider), ['a']);
  });

  check('saves of one id at once leave one of them, whole', async (t, { provider }) => {
    const texts = Array.from({ length: 20 }, (_, i) => `"${String(i).repeat(10_000)}"`);
    await Promise.all(texts.map((text) => provider.save(savedOf('a', text), SIGNAL)));
    t.true(texts.includes((await provider.load('a', SIGNAL)) as string));
    t.deepEqual(await listed(provider), ['a']);
  });

  check('a list has what begins with the prefix, however much there is', async (t, { provider }) => {
    const ids = Array.from({ length: 1200 }, (_, i) => `room:${i}`);
    const all = [...ids, 'roo', 'Room:1', 'user:1', 'a_b', 'aXb', 'a%b'];
    for (let at = 0; at < all.length; at += 100) {
      await Promise.all(all.slice(at, at + 100).map((id) => provider.save(savedOf(id), SIGNAL)));
    }
    t.deepEqual(await listed(provider, 'room:'), ids.toSorted());
    t.deepEqual(await listed(provider, 'a_'), ['a_b']);
    t.deepEqual(await listed(provider, 'a%'), ['a%b']);
    t.deepEqual(await listed(provider, 'none'), []);
    t.deepEqual(await listed(provider), all.sort());
  });

  check('delete forgets one, and says whether there was one', async (t, { provider }) => {
    await provider.save(savedOf('a'), SIGNAL);
    await provider.save(savedOf('b'), SIGNAL);
    t.true(await provider.delete('a', SIGNAL));
    t.false(await provider.delete('a', SIGNAL));
    t.is(await provider.load('a', SIGNAL), null);
    t.deepEqual(await listed(provider), ['b']);
  });

  check('any id is data', async (t, { provider }) => {
    for (const id of HOSTILE_IDS) await provider.save(savedOf(id), SIGNAL);
    for (const id of HOSTILE_IDS) t.is(await provider.load(id, SIGNAL), savedOf(id).text, id);
    t.deepEqual(await listed(provider), HOSTILE_IDS.toSorted());
    for (const id of HOSTILE_IDS) t.true(await provider.delete(id, SIGNAL), id);
    t.deepEqual(await listed(provider), []);
  });
}

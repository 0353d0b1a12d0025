/**
 * The export provider contract as laws: the promises of transfer/export-provider.ts, for any provider.
 *
 *     for (const { name, run } of providerLaws) test(name, () => run(async () => ({ provider, reopen, destroy })));
 */
import { deepEqual, equal, ok } from 'node:assert/strict';
import { setMaxListeners } from 'node:events';
import type { Provider, SavedContext } from '../transfer/export-provider.js';
import { type Law, law } from './law.js';

/** A provider with its own storage, which is empty at first. */
export interface ProviderSubject {
  readonly provider: Provider;
  /** Opens another provider on the same data. */
  readonly reopen: () => Promise<Provider>;
  /** Closes the provider, and removes the storage. */
  readonly destroy: () => Promise<void>;
}

export const SIGNAL: AbortSignal = new AbortController().signal;
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

export const providerLaws: readonly Law<ProviderSubject>[] = [
  law('the storage is empty at first', async ({ provider }) => {
    equal(await provider.load('a', SIGNAL), null);
    deepEqual(await listed(provider), []);
    equal(await provider.delete('a', SIGNAL), false);
  }),

  law('a saved text is returned unchanged, also by another provider', async ({ provider, reopen }) => {
    const texts = ['{"zero":-0, "b":1,  "a":2}', `"${'long '.repeat(1_000_000)}"`, '"\\u0000 ü 日 😀 \\" \'"'];
    for (const [i, text] of texts.entries()) await provider.save(savedOf(`id ${i}`, text), SIGNAL);
    const other = await reopen();
    for (const [i, text] of texts.entries()) {
      ok((await provider.load(`id ${i}`, SIGNAL)) === text, 'a different text was returned');
      ok((await other.load(`id ${i}`, SIGNAL)) === text, 'another provider returned a different text');
    }
    deepEqual(await listed(other), ['id 0', 'id 1', 'id 2']);
    await other.close();
  }),

  law('the last save counts', async ({ provider }) => {
    await provider.save(savedOf('a', '{"much":"longer than the other"}'), SIGNAL);
    await provider.save(savedOf('a', '{}'), SIGNAL);
    equal(await provider.load('a', SIGNAL), '{}');
    deepEqual(await listed(provider), ['a']);
  }),

  law('concurrent saves of one id leave one of the texts, whole', async ({ provider }) => {
    const texts = Array.from({ length: 20 }, (_, i) => `"${String(i).repeat(10_000)}"`);
    await Promise.all(texts.map((text) => provider.save(savedOf('a', text), SIGNAL)));
    ok(texts.includes((await provider.load('a', SIGNAL)) as string), 'the returned text was never saved');
    deepEqual(await listed(provider), ['a']);
  }),

  law('a list has every id with the prefix, however many there are', async ({ provider }) => {
    const ids = Array.from({ length: 1200 }, (_, i) => `room:${i}`);
    const all = [...ids, 'roo', 'Room:1', 'user:1', 'a_b', 'aXb', 'a%b'];
    for (let at = 0; at < all.length; at += 100) {
      await Promise.all(all.slice(at, at + 100).map((id) => provider.save(savedOf(id), SIGNAL)));
    }
    deepEqual(await listed(provider, 'room:'), ids.toSorted());
    deepEqual(await listed(provider, 'a_'), ['a_b']);
    deepEqual(await listed(provider, 'a%'), ['a%b']);
    deepEqual(await listed(provider, 'none'), []);
    deepEqual(await listed(provider), all.sort());
  }),

  law('delete removes one text, and answers whether there was one', async ({ provider }) => {
    await provider.save(savedOf('a'), SIGNAL);
    await provider.save(savedOf('b'), SIGNAL);
    equal(await provider.delete('a', SIGNAL), true);
    equal(await provider.delete('a', SIGNAL), false);
    equal(await provider.load('a', SIGNAL), null);
    deepEqual(await listed(provider), ['b']);
  }),

  law('any id is data', async ({ provider }) => {
    for (const id of HOSTILE_IDS) await provider.save(savedOf(id), SIGNAL);
    for (const id of HOSTILE_IDS) equal(await provider.load(id, SIGNAL), savedOf(id).text, id);
    deepEqual(await listed(provider), HOSTILE_IDS.toSorted());
    for (const id of HOSTILE_IDS) ok(await provider.delete(id, SIGNAL), id);
    deepEqual(await listed(provider), []);
  }),
];

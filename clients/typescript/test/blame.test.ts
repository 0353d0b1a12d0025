/** Authors and annotations, in deltas and in blame. */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { connected, startServer } from './support/server.js';

test('each version has its author and its annotations, and each part its version', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chordstate-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const [tokens, rules] = [join(folder, 'tokens'), join(folder, 'rules.json')];
  await writeFile(tokens, `ann sha256:${createHash('sha256').update('secret').digest('hex')}\n`);
  const grants = [{ prefix: '', rights: ['read', 'write'] }];
  await writeFile(rules, JSON.stringify({ identities: { ann: { grants } } }));
  const server = await startServer(t, '--auth-tokens', tokens, '--auth-rules', rules);
  const client = connected(t, server, { token: 'secret' });

  const annotations = { ticket: '7' };
  await client.set('a', { topic: 'daily', list: [1] }, { annotations });
  const { position } = await client.update('a', { mutations: [{ path: ['list'], append: [2] }] });
  const [first, second] = [
    { author: 'ann', annotations },
    { author: 'ann', annotations: {} },
  ];
  const provenances = [];
  for await (const { deltas } of client.deltas('a')) provenances.push(...deltas.map(({ provenance }) => provenance));
  t.deepEqual(provenances, [first, second]);

  const blamed = async (...paths: string[][]) => {
    const found = [];
    for await (const page of client.blame('a', paths)) {
      t.deepEqual([page.position, page.olderThan], [position, 0]);
      for (const { updatedAt, ...line } of page.lines) {
        t.true(updatedAt instanceof Date);
        found.push(line);
      }
    }
    return found;
  };
  const list = [
    { path: ['list'], run: { index: 0, count: 1 }, value: [1], version: 1, provenance: first },
    { path: ['list'], run: { index: 1, count: 1 }, value: [2], version: 2, provenance: second },
  ];
  const topic = { path: ['topic'], run: { index: 0, count: 5 }, value: 'daily', version: 1, provenance: first };
  t.deepEqual(await blamed(), [...list, topic]);
  t.deepEqual(await blamed(['list'], ['never']), list);
});

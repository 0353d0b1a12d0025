/**
 * Data of an earlier release (former/generate.mjs): its history is read, and goes on with authors; what it remembers of
 * requests is found, and is forgotten in time.
 */
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { decodeProvenance } from '../../src/codec/provenance.js';
import { verify } from '../../src/maintenance/verify.js';
import { type ChordOptions, openChord } from '../../src/server/app.js';
import { REDIS_INSTALLED, RedisServer } from './redis/servers.js';

const FORMER = join(import.meta.dirname, 'former');
const { positions, keys } = JSON.parse(await readFile(join(FORMER, 'data.json'), 'utf8'));
const HOUR = 3_600_000;

test('LMDB', async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), 'chord-former-'));
  t.teardown(() => rm(dataDir, { recursive: true }));
  await copyFile(join(FORMER, 'data.mdb'), join(dataDir, 'data.mdb'));
  await repeat(t, { backend: 'lmdb', dataDir, minFreeBytes: 0 }, positions.lmdb, 5);
  const damages: unknown[] = [];
  await verify(dataDir, { onDamage: (damage) => damages.push(damage) });
  t.deepEqual(damages, []);
});

if (REDIS_INSTALLED) {
  test('Redis', async (t) => {
    const server = await RedisServer.start();
    t.teardown(() => server.destroy());
    for (const [key, dump] of Object.entries(keys)) {
      await server.admin.restore(key, 0, Buffer.from(dump as string, 'base64'));
    }
    await repeat(t, { backend: 'redis', redisUrl: server.url, redisTimeout: 20_000 }, positions.redis, 5);
  });
}

async function repeat(t: ExecutionContext, options: ChordOptions, position: unknown, remembered: number) {
  let now = 1_790_000_000_000;
  const { contexts, store, close } = await openChord({ ...options, clock: () => now, cleanupInterval: 0 });
  const second = () => contexts.update('a', { changes: { n: 2 } }, { requestId: 'second' });
  t.like(await second(), { changed: true, position });
  t.like(await contexts.delete('gone', { allowMissing: true, requestId: 'nothing' }), { changed: false });
  const both = [
    { kind: 'set', id: '{r}b', value: {} },
    { kind: 'set', id: '{r}c', value: {} },
  ] as const;
  const [b, c] = await contexts.batch([...both], { requestId: 'both' });
  t.deepEqual([b?.position?.version, c?.position?.version], [1, 1]);
  t.deepEqual((await contexts.get('a')).head.position, position);
  // What was remembered since is named by a hash: nobody finds it by saying that.
  const annotations = { ticket: '7' };
  await contexts.update('a', { changes: { n: 3 } }, { requestId: 'third', caller: 'ann', annotations });
  const { deltas } = await contexts.deltas('a', 0);
  t.deepEqual(
    deltas.map(({ to, provenance }) => [to.version, decodeProvenance(provenance)]),
    [
      [1, { author: '', annotations: {} }],
      [2, { author: '', annotations: {} }],
      [3, { author: 'ann', annotations }],
    ],
  );
  const { lines } = await contexts.past.blame('a', [['n']], {});
  t.deepEqual(
    lines.map(({ value, by }) => [value, by?.version]),
    [[3, 3]],
  );
  now += 2 * HOUR;
  t.is(await store.forget(now - HOUR, 1000), remembered);
  t.true((await second()).position!.version > 3, 'a new write: the first one is forgotten');
  await close();
}

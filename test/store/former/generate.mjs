/**
 * Makes the data of an earlier release, with that release's own code: `node test/store/former/generate.mjs DIST`, where
 * DIST is its built `dist/` inside a directory with its packages. Needs redis-server. What it made is committed beside it.
 */
import { spawn } from 'node:child_process';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Redis } from 'ioredis';

const [dist] = process.argv.slice(2);
const { openChord } = await import(pathToFileURL(join(resolve(dist), 'index.js')));
const here = import.meta.dirname;
const clock = () => 1_790_000_000_000;
const PORT = 26_991;

async function write(options) {
  const { contexts, close } = await openChord({ ...options, clock, cleanupInterval: 0 });
  await contexts.set('a', { n: 1 }, { requestId: 'first' });
  await contexts.update('a', { changes: { n: 2 } }, { requestId: 'second' });
  await contexts.delete('gone', { allowMissing: true, requestId: 'nothing' });
  await contexts.batch(
    [
      { kind: 'set', id: '{r}b', value: {} },
      { kind: 'set', id: '{r}c', value: {} },
    ],
    { requestId: 'both' },
  );
  const { position } = (await contexts.get('a')).head;
  await close();
  return position;
}

const directory = await mkdtemp(join(tmpdir(), 'chord-former-'));
const positions = { lmdb: await write({ backend: 'lmdb', dataDir: directory, minFreeBytes: 0 }) };
await copyFile(join(directory, 'data.mdb'), join(here, 'data.mdb'));

const args = ['--port', String(PORT), '--bind', '127.0.0.1', '--save', '', '--dir', directory];
const server = spawn('redis-server', args, { stdio: 'ignore' });
const redis = new Redis({ port: PORT, retryStrategy: () => 50, maxRetriesPerRequest: null });
redis.on('error', () => {});
await redis.ping();
positions.redis = await write({ backend: 'redis', redisUrl: `redis://127.0.0.1:${PORT}` });
const keys = {};
for (const key of await redis.keys('*')) keys[key] = (await redis.dumpBuffer(key)).toString('base64');
redis.disconnect();
server.kill();
await writeFile(join(here, 'data.json'), `${JSON.stringify({ positions, keys }, null, 2)}\n`);
await rm(directory, { recursive: true });

/**
 * Churn for hours on one server: contexts come and go, watchers come and go, times to live end, sweeps trim, exports and
 * backups run. All the time are measured: what is left on the heap after a collection, file descriptors, the pages of LMDB
 * with contents, and the age of the oldest snapshot that is read. Their slopes, by the estimator of Theil and Sen, must be
 * flat within their noise, and no call may fail: `npx tsx test/proof/soak/main.ts --minutes 60`. The first third warms up
 * and is not judged.
 *
 * Resident memory and the size of the file are only reported. V8 keeps room for garbage; LMDB gives no page back, and cannot
 * reuse what was freed since the oldest snapshot, so that its file is as large as the slowest backup so far has made it.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs, promisify } from 'node:util';
import { status } from '@grpc/grpc-js';
import { RedisServer } from '../../store/redis/servers.js';
import { type Copy, Peer, Reader } from '../../support/chord.js';
import { MAIN, Running, readyServer } from '../../support/cli.js';
import { Random } from '../random.js';
import { pagesOf } from './pages.js';
import { flat, type Sample } from './slope.js';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    store: { type: 'string', default: 'lmdb' },
    /** A file for all measurements, as JSON. */
    samples: { type: 'string' },
  },
});
/** A slope is judged where a run is at least so long. */
const MINUTES_MIN = 10;
/** Of each of the twelve writers, in milliseconds: what is kept depends on the rate, which must not follow the load of the machine. */
const WRITE_EVERY = 50;
const minutes = Number(values.minutes);
const began = Date.now();
const end = began + minutes * 60_000;
const directory = mkdtempSync(join(tmpdir(), 'chord-soak-'));
const data = join(directory, 'data');
const redis = values.store === 'redis' ? await RedisServer.start() : undefined;
const place = redis ? ['--backend', 'redis', '--redis-url', redis.url] : ['--data-dir', data];
const cleanup = ['--cleanup-interval', '5s', '--request-ttl', '30s', '--delta-threshold', '50'];
const exports = ['--export-url', `file:${join(directory, 'exports')}`];
// A machine that does other work must not make the server refuse the churn.
const patient = ['--max-event-loop-delay', 'off', '--export-timeout', '5m'];
const args = [
  'serve',
  '--log-level',
  'error',
  '--listen',
  '127.0.0.1:0',
  '--metrics-listen',
  '127.0.0.1:0',
  ...patient,
];
const probe = join(directory, 'heap');
const env = { NODE_OPTIONS: `--import ${new URL('probe.mjs', import.meta.url)}`, SOAK_PROBE: probe };
const server = await readyServer(new Running([...args, ...place, ...cleanup, ...exports], MAIN, env));
const random = new Random(1);
let asked = 0;
const counts = { writes: 0, watches: 0, deliveries: 0, exports: 0, backups: 0 };
const JUDGED = ['heapMiB', 'descriptors', 'usedMiB', 'behind'];
const NAMES = [...JUDGED, 'rssMiB', 'fileMiB', 'freeMiB'];
const samples: Record<string, Sample[]> = Object.fromEntries(NAMES.map((name) => [name, []]));
/** What failed, with its number: by its words, without the numbers in them. */
const failures: Record<string, number> = {};

/** Until the end; what fails is counted, and goes on. */
async function again(run: () => Promise<void>): Promise<void> {
  while (Date.now() < end) {
    await run().catch((error) => {
      const words = String(error.stderr || error.message || error)
        .replaceAll(/\d+/g, 'N')
        .slice(0, 200);
      failures[words] = (failures[words] ?? 0) + 1;
    });
  }
}

async function churn(peer: Peer, i: number): Promise<void> {
  const next = delay(WRITE_EVERY);
  const contextId = `c${i}:${random.below(200)}`;
  const requestId = random.chance(0.5) ? `${i} ${++asked}` : '';
  const ttl = random.chance(0.3) ? { seconds: 1 + random.below(20), nanos: 0 } : undefined;
  if (random.chance(0.1)) await peer.delete({ contextId, allowMissing: true, requestId });
  else
    await peer.update({
      contextId,
      changes: { n: counts.writes, text: 'x'.repeat(random.below(500)) },
      allowMissing: true,
      requestId,
      ttl,
    });
  counts.writes++;
  await next;
}

async function watch(peer: Peer): Promise<void> {
  const reader = new Reader(peer, { prefix: random.pick(['', 'c1:', 'c2:']) }, new Map<string, Copy['position']>());
  await reader.caughtUp();
  await delay(200 + random.below(3000));
  reader.cancel();
  await reader.end();
  counts.watches++;
  counts.deliveries += reader.log.length;
}

async function keep(peer: Peer): Promise<void> {
  await delay(3000);
  const contextId = `c0:${random.below(200)}`;
  await peer.export({ contextId }).catch((error) => {
    if (error.code !== status.NOT_FOUND) throw error; // it was deleted, or has expired
  });
  counts.exports++;
  if (redis || !random.chance(0.2)) return;
  const to = join(directory, `backup-${counts.backups++}`);
  await promisify(execFile)(process.execPath, [MAIN, 'backup', '--address', server.address, to]);
  rmSync(to, { recursive: true });
}

async function measure(): Promise<void> {
  const at = (Date.now() - began) / 1000;
  const note = (name: string, value: number) => samples[name]!.push({ at, value });
  server.send('SIGUSR2');
  const state = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  note('rssMiB', Number(/VmRSS:\s+(\d+)/.exec(state)![1]) / 1024);
  note('descriptors', readdirSync(`/proc/${server.pid}/fd`).length);
  // The last collection that has ended.
  const heap = existsSync(probe) ? readFileSync(probe, 'utf8').trim().split('\n').at(-1) : undefined;
  if (heap) note('heapMiB', Number(heap) / 2 ** 20);
  if (redis) return;
  const { used, free, behind } = await pagesOf(data);
  note('behind', behind);
  note('usedMiB', used);
  note('freeMiB', free);
  note('fileMiB', statSync(join(data, 'data.mdb')).size / 2 ** 20);
}

const peers = Array.from({ length: 6 }, () => new Peer(server.address));
const work = [
  ...peers.flatMap((peer, i) => [0, 1].map(() => again(() => churn(peer, i)))),
  ...peers.slice(0, 3).map((peer) => again(() => watch(peer))),
  again(() => keep(peers[0]!)),
];
while (Date.now() < end) {
  await delay(Math.min(5000, Math.max(1, end - Date.now())));
  await measure();
}
await Promise.all(work);
for (const { client } of peers) client.close();
const { code, stderr } = await server.end('SIGTERM');
await redis?.destroy();
rmSync(directory, { recursive: true });
if (values.samples) writeFileSync(values.samples, JSON.stringify(samples));
const slopes = Object.entries(samples)
  .filter(([, list]) => list.length > 0)
  .map(([name, list]) => ({
    name,
    judged: JUDGED.includes(name),
    ...flat(list.filter(({ at }) => at > (minutes * 60) / 3)),
  }));
// A shorter run only shows that it goes: caches are still filling.
const judged = minutes >= MINUTES_MIN;
const grows = judged && slopes.some((slope) => slope.judged && slope.grows);
const failed = grows || Object.keys(failures).length > 0 || code !== 0 ? 1 : 0;
console.log(
  JSON.stringify({
    store: values.store,
    ...counts,
    failures,
    judged,
    slopes,
    code,
    stderr: stderr.slice(-300),
    failed,
    seconds: Math.round((Date.now() - began) / 1000),
  }),
);
process.exit(failed);

/**
 * Churn for hours on one server: contexts come and go, watchers come and go, times to live end, sweeps trim, exports and
 * backups run. Resident memory, file descriptors and the file of LMDB are measured all the time; their
 * slopes, by the estimator of Theil and Sen, must be flat within their noise: `npx tsx test/proof/soak/main.ts --minutes 60`.
 * The first third warms up and is not measured.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { RedisServer } from '../../store/redis/servers.js';
import { type Copy, Peer, Reader } from '../../support/chord.js';
import { MAIN, Running, readyServer } from '../../support/cli.js';
import { Random } from '../random.js';
import { flat, type Sample } from './slope.js';

const { values } = parseArgs({
  options: { minutes: { type: 'string', default: '10' }, store: { type: 'string', default: 'lmdb' } },
});
/** A slope is judged where a run is at least so long. */
const MINUTES_MIN = 10;
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
const patient = ['--max-event-loop-delay', 'off'];
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
const server = await readyServer(new Running([...args, ...place, ...cleanup, ...exports]));
const random = new Random(1);
const counts = { writes: 0, watches: 0, deliveries: 0, exports: 0, backups: 0, failures: 0 };
const samples: Record<string, Sample[]> = { rssMiB: [], descriptors: [], fileMiB: [] };

/** Until the end; what fails is counted, and goes on. */
async function again(run: () => Promise<void>): Promise<void> {
  while (Date.now() < end) {
    await run().catch(() => {
      counts.failures++;
    });
  }
}

async function churn(peer: Peer, i: number): Promise<void> {
  const contextId = `c${i}:${random.below(200)}`;
  const requestId = random.chance(0.5) ? `${i} ${counts.writes}` : '';
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
  await peer.export({ contextId: `c0:${random.below(200)}` }).catch(() => {});
  counts.exports++;
  if (redis || !random.chance(0.2)) return;
  const to = join(directory, 'backup');
  execFileSync(process.execPath, [MAIN, 'backup', '--address', server.address, to], { stdio: 'pipe' });
  rmSync(to, { recursive: true });
  counts.backups++;
}

function measure(): void {
  const seconds = (Date.now() - began) / 1000;
  const status = readFileSync(`/proc/${server.pid}/status`, 'utf8');
  const rss = Number(/VmRSS:\s+(\d+)/.exec(status)![1]) / 1024;
  samples.rssMiB!.push({ at: seconds, value: rss });
  samples.descriptors!.push({ at: seconds, value: readdirSync(`/proc/${server.pid}/fd`).length });
  if (!redis) samples.fileMiB!.push({ at: seconds, value: statSync(join(data, 'data.mdb')).size / 2 ** 20 });
}

const peers = Array.from({ length: 6 }, () => new Peer(server.address));
const work = [
  ...peers.flatMap((peer, i) => [0, 1].map(() => again(() => churn(peer, i)))),
  ...peers.slice(0, 3).map((peer) => again(() => watch(peer))),
  again(() => keep(peers[0]!)),
];
while (Date.now() < end) {
  await delay(Math.min(2000, Math.max(1, end - Date.now())));
  measure();
}
await Promise.all(work);
for (const { client } of peers) client.close();
const { code, stderr } = await server.end('SIGTERM');
await redis?.destroy();
rmSync(directory, { recursive: true });
const slopes = Object.entries(samples)
  .filter(([, list]) => list.length > 0)
  .map(([name, list]) => ({ name, ...flat(list.filter(({ at }) => at > (minutes * 60) / 3)) }));
// A shorter run only shows that it goes: caches are still filling.
const judged = minutes >= MINUTES_MIN;
const failed = (judged && slopes.some(({ grows }) => grows)) || code !== 0 ? 1 : 0;
console.log(
  JSON.stringify({
    store: values.store,
    ...counts,
    judged,
    slopes,
    code,
    stderr: stderr.slice(-300),
    failed,
    seconds: Math.round((Date.now() - began) / 1000),
  }),
);
process.exit(failed);

/**
 * Crash images: `npx tsx test/proof/images/main.ts --runs 10 --images 500 --first 1`, or `--minutes 10`. Each run is a
 * workload by its seed. Ends with 1 where an image breaks a promise.
 */
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { compileRecorder, type Inspected } from './run.js';

const { values } = parseArgs({
  options: {
    runs: { type: 'string' },
    images: { type: 'string', default: '500' },
    first: { type: 'string', default: '1' },
    minutes: { type: 'string' },
    seed: { type: 'string' },
    image: { type: 'string' },
  },
});
const CHILD = new URL('child.ts', import.meta.url).pathname;
const began = Date.now();
const total = { runs: 0, images: 0, writes: 0, syncs: 0, acknowledged: 0 };
const first = Number(values.seed ?? values.first);
const runs = values.seed ? 1 : values.runs ? Number(values.runs) : values.minutes ? Number.POSITIVE_INFINITY : 10;
const until = values.minutes ? began + 60_000 * Number(values.minutes) : Number.POSITIVE_INFINITY;
const directory = mkdtempSync(join(tmpdir(), 'chord-recorder-'));
// As after a power failure: another boot.
const env = { ...process.env, LD_PRELOAD: compileRecorder(directory), BOOT_ID_FILE: join(directory, 'boot-id') };
let failed = 0;
for (let run = 0; run < runs && Date.now() < until && failed === 0; run++) {
  writeFileSync(env.BOOT_ID_FILE, `${randomUUID()}\n`);
  const args = ['--import', 'tsx', CHILD, `${first + run}`, values.images, ...(values.image ? [values.image] : [])];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { env, encoding: 'utf8' });
  if (status !== 0) {
    failed++;
    console.log(stdout || stderr);
    break;
  }
  const told = JSON.parse(stdout) as Inspected;
  total.runs++;
  for (const name of ['images', 'writes', 'syncs', 'acknowledged'] as const) total[name] += told[name];
  console.log(`seed ${first + run}: ${JSON.stringify(told)}`);
}
rmSync(directory, { recursive: true });
console.log(JSON.stringify({ ...total, failed, seconds: Math.round((Date.now() - began) / 1000) }));
process.exit(failed === 0 ? 0 : 1);

/**
 * One recorded workload and images of it, each inspected. Throws at the first problem, with the command that makes this image
 * again.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Random } from '../random.js';
import { problemOf } from './inspect.js';
import { Disk, parse, type Step } from './recording.js';

const SOURCE = new URL('recorder.c', import.meta.url).pathname;
const WORKLOAD = new URL('workload.ts', import.meta.url).pathname;
/** Images are many, and need not reach a disk. */
const PLACE = existsSync('/dev/shm') ? '/dev/shm' : tmpdir();
const WAYS = ['none', 'all', 'writes', 'writes', 'pages', 'sectors', 'sectors'] as const;

export interface Inspected {
  readonly images: number;
  readonly writes: number;
  readonly syncs: number;
  readonly acknowledged: number;
}

export function compileRecorder(directory: string): string {
  const library = join(directory, 'recorder.so');
  execFileSync('gcc', ['-shared', '-fPIC', '-O1', '-o', library, SOURCE, '-ldl', '-lpthread'], { stdio: 'pipe' });
  return library;
}

/** What reached the disk in a workload of this seed. */
export function record(seed: number, rounds: number, directory: string): Step[] {
  const recording = join(directory, 'recording');
  const env = { ...process.env, LD_PRELOAD: compileRecorder(directory), RECORD_TO: recording, BOOT_ID_FILE: undefined };
  const args = ['--import', 'tsx', WORKLOAD, join(directory, 'data'), join(directory, 'acks'), `${seed}`, `${rounds}`];
  execFileSync(process.execPath, args, { env, stdio: 'pipe' });
  return parse(readFileSync(recording));
}

export async function inspectImages(seed: number, count: number, only?: number): Promise<Inspected> {
  const directory = mkdtempSync(join(PLACE, 'chord-images-'));
  try {
    const steps = record(seed, 40, directory);
    const opened = steps.findIndex((step) => step.kind === 'ack');
    const total = { images: 0, writes: 0, syncs: 0, acknowledged: 0 };
    const disk = new Disk();
    const acknowledged = new Map<string, number>();
    const each = Math.max(1, count / (steps.length - opened));
    for (const [i, step] of steps.entries()) {
      if (i > opened) {
        // Some moments have several images, so that there are as many as requested.
        const random = new Random(seed * 1_000_003 + i);
        const here = Math.floor(each) + (random.chance(each % 1) ? 1 : 0);
        for (let n = 0; n < here && total.images < count; n++) {
          const imageSeed = i * 1000 + n;
          if (only !== undefined && only !== imageSeed) continue;
          const chosen = new Random(seed ^ Math.imul(imageSeed, 0x9e3779b9));
          const way = chosen.pick(WAYS);
          const image = disk.image(chosen, step, way);
          total.images++;
          const problem = await problemOf(image, acknowledged, join(directory, 'image')).catch((error) =>
            String(error),
          );
          if (problem === null) continue;
          if (only !== undefined) writeFileSync('image.mdb', image);
          const again = `npx tsx test/proof/images/main.ts --seed ${seed} --images ${count} --image ${imageSeed}`;
          throw new Error(`seed ${seed}, step ${i} of ${steps.length} (${way}): ${problem}\nreplay: ${again}`);
        }
      }
      disk.apply(step);
      if (step.kind === 'write') total.writes++;
      if (step.kind === 'sync' || (step.kind === 'write' && step.synchronous)) total.syncs++;
      if (step.kind !== 'ack') continue;
      for (const line of step.lines) {
        const [name, number] = line.split(' ') as [string, string];
        acknowledged.set(name, Number(number));
        total.acknowledged++;
      }
    }
    return total;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

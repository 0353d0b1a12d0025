/** A few crash images with every change; `make prove` inspects thousands. */
import { execFileSync } from 'node:child_process';
import test from 'ava';
import { Random } from '../random.js';
import { Disk } from './recording.js';
import { inspectImages } from './run.js';

test('what was not synced is in an image or is not, sector by sector; what was synced is there', (t) => {
  const disk = new Disk();
  disk.apply({ kind: 'write', offset: 0, bytes: Buffer.alloc(4096, 1), synchronous: false });
  disk.apply({ kind: 'sync' });
  disk.apply({ kind: 'write', offset: 100, bytes: Buffer.alloc(2000, 2), synchronous: false });
  const random = new Random(1);
  t.deepEqual(disk.image(random, undefined, 'none'), Buffer.alloc(4096, 1));
  t.is(disk.image(random, undefined, 'all').indexOf(1, 100), 2100);
  const torn = new Set<string>();
  for (let i = 0; i < 100; i++) {
    const image = disk.image(random, undefined, 'sectors');
    // Within a sector all is old or all is new.
    for (const at of [100, 512, 1024, 1536, 2048])
      t.is(image[at], image[Math.min(2099, Math.floor(at / 512) * 512 + 511)]);
    torn.add(`${[100, 512, 1024, 1536, 2048].map((at) => image[at])}`);
  }
  t.true(torn.size > 20);
  disk.apply({ kind: 'write', offset: 0, bytes: Buffer.alloc(10, 3), synchronous: true });
  t.is(disk.image(random, undefined, 'none')[9], 3);
});

test('whatever a disk keeps of what was not synced, an image opens, is sound, and has what was acknowledged', async (t) => {
  t.timeout(300_000);
  try {
    execFileSync('gcc', ['--version'], { stdio: 'ignore' });
    if (process.platform !== 'linux') throw new Error('Linux only');
  } catch (error) {
    t.log(`skipped: no recorder without gcc: ${(error as Error).message}`);
    t.pass();
    return;
  }
  const told = await inspectImages(1, 60);
  t.true(told.images >= 50 && told.acknowledged > 200 && told.syncs > 50, JSON.stringify(told));
});

/** How many workers `auto` means. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { usableCores, workersFor } from '../../src/server/cores.js';

test('a quota of processor time counts, of both kinds of control groups', async (t) => {
  const groups = await mkdtemp(join(tmpdir(), 'chord-cores-'));
  t.teardown(() => rm(groups, { recursive: true }));
  t.is(usableCores(groups, 8), 8, 'no quota');
  await mkdir(join(groups, 'cpu'));
  await writeFile(join(groups, 'cpu/cpu.cfs_quota_us'), '350000\n');
  await writeFile(join(groups, 'cpu/cpu.cfs_period_us'), '100000\n');
  t.is(usableCores(groups, 8), 3);
  await writeFile(join(groups, 'cpu.max'), '200000 100000\n');
  t.is(usableCores(groups, 8), 2);
  await writeFile(join(groups, 'cpu.max'), '50000 100000\n');
  t.is(usableCores(groups, 8), 1);
  await writeFile(join(groups, 'cpu.max'), 'max 100000\n');
  await writeFile(join(groups, 'cpu/cpu.cfs_quota_us'), '-1\n');
  t.is(usableCores(groups, 8), 8);
});

test('auto is a worker for each core, and none where there is one', (t) => {
  t.deepEqual([workersFor('auto', 4), workersFor('auto', 1), workersFor(3, 1), workersFor(0, 8)], [4, 0, 3, 0]);
});

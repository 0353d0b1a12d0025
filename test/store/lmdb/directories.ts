/** Temporary directories, and small file systems of their own where the machine permits it. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { until } from '../../support/until.js';

export async function temporaryDirectory(t: ExecutionContext): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'chord-'));
  t.teardown(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

/** Mounts a tmpfs with these options; null, and a line in the log, where that is not permitted. */
export async function mountTmpfs(t: ExecutionContext, options: string): Promise<string | null> {
  const directory = await temporaryDirectory(t);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', directory], { stdio: 'ignore' });
  } catch {
    t.log('skipped: mount is not permitted here');
    return null;
  }
  t.teardown(() => execFileSync('umount', ['--lazy', directory]));
  return directory;
}

/** A process that another test starts keeps the files of this one open until it runs its program: the mount is busy meanwhile. */
export async function makeReadOnly(mounted: string): Promise<void> {
  const remounts = () => spawnSync('mount', ['-o', 'remount,ro', mounted]).status === 0;
  await until(remounts, 'a file system that is read only');
}

/** Temporary directories, and small file systems of their own where the machine permits it. */
import { execFileSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';

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

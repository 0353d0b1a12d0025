/** Faults of a disk, under a real server: `failing-disk.c`. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';

const SOURCE = new URL('failing-disk.c', import.meta.url).pathname;

/** Compiles the faults; null, and a line in the log, where that cannot be done. */
export function compileFaults(t: ExecutionContext, directory: string): string | null {
  const library = join(directory, 'failing-disk.so');
  try {
    if (process.platform !== 'linux') throw new Error('Linux only');
    execFileSync('gcc', ['-shared', '-fPIC', '-o', library, SOURCE, '-ldl'], { stdio: 'pipe' });
    return library;
  } catch (error) {
    t.log(`skipped: no faults without gcc: ${(error as Error).message}`);
    return null;
  }
}

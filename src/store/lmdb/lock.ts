/**
 * One server per data directory. The lock is one of the kernel: it ends with the process, however the process dies. On
 * Linux the lock is flock(2) on the file LOCK, which works between containers that share a volume. The flock command
 * acquires it, since Node has no call for it. Where that command is missing, the lock is an abstract socket, which only
 * works within one network namespace. On macOS the lock is a flag of open(2). The text in LOCK is for people.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ChordError } from '../../model/errors.js';

/** open(2) on macOS: acquires an exclusive flock with the file. Node has no name for this flag. */
const O_EXLOCK = 0x20;

/** Locks until the answer is called. Throws FAILED_PRECONDITION where the lock is held, or the directory not writable. */
export async function lockDirectory(directory: string): Promise<() => void> {
  const path = join(directory, 'LOCK');
  const file = openLockFile(path, directory);
  const socket = await (process.platform === 'linux' ? lockOnLinux(file) : null);
  if (socket === 'held') {
    closeSync(file);
    throw inUse(path, directory);
  }
  ftruncateSync(file);
  writeSync(file, `process ${process.pid} on ${hostname()}\n`);
  return () => {
    closeSync(file);
    socket?.close();
  };
}

function openLockFile(path: string, directory: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT;
  try {
    return openSync(path, process.platform === 'darwin' ? flags | O_EXLOCK | constants.O_NONBLOCK : flags, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') throw inUse(path, directory);
    throw new ChordError('FAILED_PRECONDITION', `the data directory ${directory} is not writable: ${error}`, {
      cause: error,
    });
  }
}

/** The child locks the open file that it inherits from this process: the lock stays when the child has ended. */
async function lockOnLinux(file: number): Promise<Server | 'held' | null> {
  const { status, error } = spawnSync('flock', ['-x', '-n', '3'], { stdio: ['ignore', 'ignore', 'ignore', file] });
  if (error === undefined) return status === 0 ? null : 'held';

  const { dev, ino } = fstatSync(file);
  return new Promise((resolve) => {
    const socket = createServer().unref();
    socket.once('error', () => resolve('held'));
    socket.listen(`\0chord-lock-${dev}-${ino}`, () => resolve(socket));
  });
}

function inUse(path: string, directory: string): ChordError {
  const holder = readFileSync(path, 'utf8').trim() || 'another process';
  return new ChordError('FAILED_PRECONDITION', `the data directory ${directory} is in use by ${holder}`);
}

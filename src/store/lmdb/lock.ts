/**
 * One server per data directory. The lock is the kernel's own: it ends with the process, however that dies. Two files are
 * locked: LOCK, which stays where data.mdb is exchanged, and data.mdb, which holds where LOCK is removed. On
 * Linux it is flock(2), which holds between containers that share a volume, taken through the
 * flock command since Node has no call for it; where there is no such command, an abstract socket, which only
 * holds within one network namespace. On macOS it is a flag of open(2). The text in LOCK is for people.
 */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, fstatSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { ChordError } from '../../model/errors.js';

/** open(2) on macOS: acquires an exclusive flock with the file. Node has no name for this flag. */
const O_EXLOCK = 0x20;

/**
 * Locks until the answer is called; makes data.mdb, empty, where it is missing. Throws FAILED_PRECONDITION where it is
 * held, or the directory is not writable.
 */
export async function lockDirectory(directory: string): Promise<() => void> {
  const releases: (() => void)[] = [];
  const release = () => {
    for (const each of releases.splice(0)) each();
  };
  try {
    const { file, release: first } = await lockFile(join(directory, 'LOCK'), directory);
    releases.push(first);
    releases.push((await lockFile(join(directory, 'data.mdb'), directory)).release);
    ftruncateSync(file);
    writeSync(file, `process ${process.pid} on ${hostname()}\n`);
    return release;
  } catch (error) {
    release();
    throw error;
  }
}

async function lockFile(path: string, directory: string): Promise<{ file: number; release: () => void }> {
  const file = openLockFile(path, directory);
  const socket = await (process.platform === 'linux' ? lockOnLinux(file) : null);
  if (socket === 'held') {
    closeSync(file);
    throw inUse(directory);
  }
  const release = () => {
    closeSync(file);
    socket?.close();
  };
  return { file, release };
}

function openLockFile(path: string, directory: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT;
  try {
    return openSync(path, process.platform === 'darwin' ? flags | O_EXLOCK | constants.O_NONBLOCK : flags, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') throw inUse(directory);
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

function inUse(directory: string): ChordError {
  const holder = readFileSync(join(directory, 'LOCK'), 'utf8').trim() || 'another process';
  return new ChordError('FAILED_PRECONDITION', `the data directory ${directory} is in use by ${holder}`);
}

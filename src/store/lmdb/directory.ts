/** The data directory: made durable when it is new, and readable for its owner alone. */
import { chmod, mkdir, open } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ChordError } from '../../model/errors.js';

const FILES = ['data.mdb', 'lock.mdb', 'LOCK'];

/** @returns the first directory that did not exist; undefined where all did. Throws FAILED_PRECONDITION. */
export async function createDirectory(directory: string): Promise<string | undefined> {
  try {
    return await mkdir(directory, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new ChordError('FAILED_PRECONDITION', `cannot create the data directory: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/** Names are durable when their directories are: that of the files, and of each directory from `created` down. */
export async function syncNames(directory: string, created: string | undefined): Promise<void> {
  await sync(directory);
  if (created === undefined) return;
  for (let path = resolve(directory); path.length >= resolve(created).length; path = dirname(path)) {
    await sync(dirname(path));
  }
}

/** Also where another program, or an older Chord, made the files. A file of another owner stays as it is. */
export async function restrictFiles(directory: string): Promise<void> {
  for (const name of FILES) {
    await chmod(join(directory, name), 0o600).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPERM' && error.code !== 'ENOENT') throw error;
    });
  }
}

/** Also of a directory: the names in it. */
export async function sync(path: string): Promise<void> {
  const file = await open(path, 'r');
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

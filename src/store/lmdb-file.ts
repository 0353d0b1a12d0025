/**
 * Looks at data.mdb before LMDB maps it into memory: a file that is shorter than it says would end the process
 * with SIGBUS at the first read of what is missing.
 */
import { execFile } from 'node:child_process';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ChordError } from '../errors.js';

/** Two pages of this size at most at the head of the file carry its description. */
const MAX_PAGE_SIZE = 65_536;
const MAGIC = 0xbeefc0de;

/** Throws DATA_LOSS where the file is no LMDB file or a part of it is missing. No file at all is fine. */
export async function checkDataFile(directory: string): Promise<void> {
  const path = join(directory, 'data.mdb');
  const start = await readStart(path);
  if (start === null) return;

  const claimed = claimedSize(start.bytes);
  if (claimed === null) throw new ChordError('DATA_LOSS', `${path} is not an LMDB data file, or its head is damaged`);
  // LMDB does not write pages at the end that it took and gave back in one transaction, so a file may be whole
  // and yet shorter than it says. That is rare: then every page in use is read once, where it is safe to fail.
  if (start.size < claimed && !(await readsWhole(directory))) {
    throw new ChordError('DATA_LOSS', `${path} is truncated: ${start.size} bytes of ${claimed}`);
  }
}

async function readStart(path: string): Promise<{ bytes: Buffer; size: number } | null> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return null;
  try {
    const { size } = await file.stat();
    const { buffer, bytesRead } = await file.read(Buffer.alloc(2 * MAX_PAGE_SIZE), 0, 2 * MAX_PAGE_SIZE, 0);
    return { bytes: buffer.subarray(0, bytesRead), size };
  } finally {
    await file.close();
  }
}

/** What the newer of the two descriptions says, in bytes; null where they are not readable. */
function claimedSize(bytes: Buffer): number | null {
  const first = readMeta(bytes, 0);
  const second = first && readMeta(bytes, first.pageSize);
  if (!first || !second) return null;
  const { lastPage, pageSize } = first.transaction > second.transaction ? first : second;
  return (lastPage + 1) * pageSize;
}

/** The struct MDB_meta behind the 24 bytes of page header, in this LMDB's data format 2. */
function readMeta(bytes: Buffer, page: number) {
  const at = page + 24;
  if (bytes.length < at + 136 || bytes.readUInt32LE(at) !== MAGIC) return null;
  const pageSize = bytes.readUInt32LE(at + 24);
  const lastPage = Number(bytes.readBigUInt64LE(at + 120));
  const transaction = bytes.readBigUInt64LE(at + 128);
  return pageSize >= 512 && pageSize <= MAX_PAGE_SIZE ? { pageSize, lastPage, transaction } : null;
}

/** Reads every record in a process of its own, which a missing page may end. */
async function readsWhole(directory: string): Promise<boolean> {
  const script = `
    import { open } from ${JSON.stringify(import.meta.resolve('lmdb'))};
    const bytes = { keyEncoding: 'binary', encoding: 'binary' };
    const env = open({ ...bytes, path: process.argv[1], noSubdir: false, readOnly: true, maxDbs: 64 });
    const read = (database) => { for (const { key, value } of database.getRange()) void value; };
    read(env);
    for (const key of env.getKeys()) {
      if (key.at(-1) === 0) read(env.openDB({ ...bytes, name: key.toString('utf8', 0, key.length - 1) }));
    }`;
  try {
    await promisify(execFile)(process.execPath, ['--input-type=module', '--eval', script, directory]);
    return true;
  } catch {
    return false;
  }
}

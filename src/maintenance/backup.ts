/**
 * Makes a data directory from the backup stream of a store. The directory has a temporary name until it is complete,
 * synced, read back and verified: a directory with the requested name is a verified backup.
 */
import { mkdir, mkdtemp, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { ChordError } from '../model/errors.js';
import { Copy } from '../store/lmdb/backup-copy.js';
import { sync } from '../store/lmdb/directory.js';
import { requireData } from '../store/lmdb/fsck/contents.js';
import { openLmdb } from '../store/lmdb/store.js';
import type { Backup } from '../store/store.js';
import { type Verified, verify } from './verify.js';

export interface BackupListener {
  /** Called now and then with the records copied so far and their total. An exception ends the backup. */
  onCopied(done: number, total: number): void | Promise<void>;
  onVerified(done: number, total: number): void | Promise<void>;
}

/**
 * Throws FAILED_PRECONDITION for a directory that is not empty; RESOURCE_EXHAUSTED for a full disk; DATA_LOSS for a
 * stream that is incomplete or inconsistent. After an error no directory is left.
 */
export async function makeBackup(directory: string, source: Backup, listener: BackupListener): Promise<Verified> {
  const target = resolve(directory);
  await checkTarget(target);
  const partial = await mkdtemp(`${target}.partial-`);
  try {
    await copy(partial, source, listener);
    const verified = await readBack(partial, listener);
    await rm(join(partial, 'LOCK'), { force: true });
    await sync(partial);
    await rename(partial, target);
    await sync(dirname(target));
    return verified;
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

/** Runs `work` on a data directory that no server has open. */
export async function withDirectory<T>(directory: string, work: (source: Backup) => Promise<T>): Promise<T> {
  requireData(directory);
  const store = await openLmdb({ directory, minFreeBytes: 0 });
  try {
    return await work(store.backup!());
  } finally {
    await store.close();
  }
}

/** The target must be absent, or an empty directory that can be replaced by another one. */
export async function checkTarget(target: string): Promise<void> {
  await mkdir(dirname(target), { recursive: true });
  const found = await stat(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (found === null) return;
  if (!found.isDirectory()) throw new ChordError('FAILED_PRECONDITION', `${target} is not a directory`);
  const [first] = await readdir(target);
  if (first !== undefined) throw new ChordError('FAILED_PRECONDITION', `${target} is not empty: it holds ${first}`);
  if (found.dev !== (await stat(dirname(target))).dev) {
    throw new ChordError('FAILED_PRECONDITION', `${target} is a mount point: name a directory below it`);
  }
}

async function copy(directory: string, source: Backup, { onCopied }: BackupListener): Promise<void> {
  const into = await Copy.begin(directory, source);
  try {
    const total = [...source.counts.values()].reduce((sum, count) => sum + count, 0);
    let done = 0;
    for await (const part of source.parts) {
      await into.add(part);
      done += part.keys.length;
      await onCopied(done, total);
    }
    await into.finish();
  } finally {
    await into.close();
  }
}

async function readBack(directory: string, { onVerified }: BackupListener): Promise<Verified> {
  const found: string[] = [];
  const onDamage = ({ contextId, version, what }: { contextId?: string; version?: number; what: string }) => {
    if (found.length < 3) found.push([contextId, version, what].filter((part) => part !== undefined).join(' '));
  };
  const verified = await verify(directory, { onDamage, onProgress: onVerified });
  if (verified.damages === 0) return verified;
  const message = `the backup does not verify, and was removed; ${verified.damages} problems: ${found.join('; ')}`;
  throw new ChordError('DATA_LOSS', message);
}

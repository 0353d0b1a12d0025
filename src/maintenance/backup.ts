/**
 * Makes a data directory of what a store gives out. It stands under another name until it is whole, on the disk, and
 * has been read back and verified: a directory of the name that was asked for is a good backup, or there is none.
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
  /** Now and then: records, of how many. What it throws ends the backup. */
  onCopied(done: number, total: number): void | Promise<void>;
  onVerified(done: number, total: number): void | Promise<void>;
}

/**
 * Throws FAILED_PRECONDITION where the directory is not empty; RESOURCE_EXHAUSTED where its disk is full; DATA_LOSS
 * where what came is not whole, or does not fit together. Nothing is left then.
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

/** What is in a data directory that nobody serves. */
export async function withDirectory<T>(directory: string, work: (source: Backup) => Promise<T>): Promise<T> {
  requireData(directory);
  const store = await openLmdb({ directory, minFreeBytes: 0 });
  try {
    return await work(store.backup!());
  } finally {
    await store.close();
  }
}

/** A directory that is not there, or is empty and can be replaced by another one. */
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

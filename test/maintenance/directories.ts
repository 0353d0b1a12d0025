/** Data directories with something of everything in them, and ways to damage them. */
import type { ExecutionContext } from 'ava';
import { open } from 'lmdb';
import { type Damage, type Verified, verify } from '../../src/maintenance/verify.js';
import { openChord } from '../../src/server/app.js';
import { type Databases, openDatabases } from '../../src/store/lmdb/schema.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';

/**
 * `whole` has its log from version 1, `short` was trimmed and has a snapshot, `large` a document with pages of its own,
 * `touched` no time to live and `brief` one, `new` a single version with a request; and many others.
 */
export async function filled(t: ExecutionContext, others = 200): Promise<string> {
  const dataDir = await temporaryDirectory(t);
  let now = 1_800_000_000_000;
  const clock = () => now++;
  const chord = await openChord({ dataDir, clock, cleanupInterval: 0, minFreeBytes: 0 });
  const { contexts } = chord;
  await contexts.set('whole', { n: 0, list: ['a'], words: 'once upon a time' });
  await contexts.set('short', { n: 0, text: 'x'.repeat(200) });
  for (let n = 1; n <= 40; n++) {
    await contexts.update('whole', { changes: { n, at: { [`k${n % 7}`]: n } }, mutations: [] });
    await contexts.update('short', { changes: { n, text: `${n}`.repeat(200) } });
  }
  await contexts.trim('short', 20);
  await contexts.set('large', { body: 'large '.repeat(5_000) });
  await contexts.update('large', { changes: { body: 'LARGE '.repeat(5_000) } });
  await contexts.set('brief', { n: 1 }, { ttl: 3_000_000_000 });
  await contexts.set('touched', { n: 1 });
  now += 5_000;
  await contexts.touch('touched');
  await contexts.set('new', { n: 1 }, { requestId: 'first' });
  await contexts.set('gone', { n: 1 }, { requestId: 'kept' });
  await contexts.delete('gone');
  await Promise.all(Array.from({ length: others }, (_, i) => contexts.set(`other:${i}`, { i, text: 'y'.repeat(i) })));
  await chord.close();
  return dataDir;
}

/** What verify tells, sorted into the result and one line for each damage: `context version: what`. */
export async function verified(directory: string): Promise<{ result: Verified; told: string[] }> {
  const told: string[] = [];
  const onDamage = ({ contextId = '', version, what }: Damage) =>
    void told.push(`${contextId} ${version ?? ''}: ${what}`);
  const result = await verify(directory, { onDamage });
  if (result.damages !== told.length) throw new Error(`${result.damages} damages, ${told.length} were told`);
  return { result, told };
}

/** Changes the records of a directory behind Chord's back. */
export async function tamper(directory: string, change: (db: Databases) => void): Promise<void> {
  const db = await openDatabases({ directory });
  await db.env.batch(() => change(db));
  await db.env.close();
}

/** A database in a directory of its own that is not Chord's. */
export async function foreign(t: ExecutionContext): Promise<string> {
  const path = await temporaryDirectory(t);
  const env = open<string, string>({ path, noSubdir: false });
  await env.put('something', 'other');
  await env.close();
  return path;
}

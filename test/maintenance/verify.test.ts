/** Every way in which a data directory can be damaged is told; a healthy one is read in silence. */
import { execFileSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { encodeChanges } from '../../src/codec/changes.js';
import { encodeStruct } from '../../src/codec/struct.js';
import { advance } from '../../src/contexts/position.js';
import { makeBackup } from '../../src/maintenance/backup.js';
import { verify } from '../../src/maintenance/verify.js';
import { ChordError } from '../../src/model/errors.js';
import { openChord } from '../../src/server/app.js';
import { Contents } from '../../src/store/lmdb/fsck/contents.js';
import { dueKey, headKey, idKey, logKey, numberKey, requestKey, requestTimeKey } from '../../src/store/lmdb/keys.js';
import type { Databases } from '../../src/store/lmdb/schema.js';
import { openLmdb } from '../../src/store/lmdb/store.js';
import {
  decodeHead,
  decodeRecord,
  decodeSnapshot,
  encodeHead,
  encodeRecord,
  encodeSnapshot,
  type HeadRow,
} from '../../src/store/record-format.js';
import type { LogRecord } from '../../src/store/store.js';
import { makeReadOnly, mountTmpfs, temporaryDirectory } from '../store/lmdb/directories.js';
import { planOf } from '../support/thinning.js';
import { filled, foreign, tamper, verified } from './directories.js';

const NOTHING = Buffer.from([1]);

test('a healthy directory: everything is counted, nothing is told, nothing is changed', async (t) => {
  const directory = await filled(t, 200);
  const before = await readFile(join(directory, 'data.mdb'));
  const { result, told } = await verified(directory);
  t.deepEqual(told, []);
  t.like(result, { contexts: 206, deltas: 267, snapshots: 2, requests: 2, bytes: before.length, damages: 0 });
  t.deepEqual(await readFile(join(directory, 'data.mdb')), before);
});

test('one that was made and never written to is healthy', async (t) => {
  const directory = await temporaryDirectory(t);
  await (await openLmdb({ directory })).close();
  t.like(await verified(directory), { told: [], result: { contexts: 0, deltas: 0 } });
});

test('what holds no data of Chord, or is in use, is refused', async (t) => {
  const empty = await temporaryDirectory(t);
  const nothing = { onDamage: () => {} };
  await t.throwsAsync(verify(empty, nothing), { message: /^there is no data\.mdb in / });
  await t.throwsAsync(verify(await foreign(t), nothing), { message: /not Chord's/ });
  const dataDir = await filled(t, 0);
  const chord = await openChord({ dataDir });
  await t.throwsAsync(verify(dataDir, nothing), { message: /in use by process / });
  await chord.close();
});

test('a directory on a file system that is read-only is verified all the same', async (t) => {
  const mounted = await mountTmpfs(t, 'size=16m');
  if (mounted === null) {
    t.pass();
    return;
  }
  execFileSync('cp', ['-r', `${await filled(t, 10)}/.`, mounted]);
  await makeReadOnly(mounted);
  t.like(await verified(mounted), { told: [], result: { contexts: 16 } });
});

test('a context that was restored with its history is healthy', async (t) => {
  const [from, to] = [await temporaryDirectory(t), await temporaryDirectory(t)];
  const exportUrl = `file:${await temporaryDirectory(t)}`;
  const first = await openChord({ dataDir: from, exportUrl, deltaThreshold: 3 });
  for (let n = 1; n <= 30; n++) await first.contexts.set('a', { n, text: `${n}`.repeat(300) });
  await first.contexts.trim('a', 20);
  await first.transfer.export('a', true);
  await first.close();
  const second = await openChord({ dataDir: to, exportUrl });
  await second.transfer.restore('a', false);
  await second.contexts.update('a', { changes: { n: 31 } });
  await second.close();
  t.deepEqual((await verified(to)).told, []);
});

/** A context of 30 versions of which 1, 5, 10, 15, 20 and those after it are retained; its snapshot is at version 30. */
async function thinned(t: ExecutionContext): Promise<string> {
  const dataDir = await temporaryDirectory(t);
  let now = 0;
  const chord = await openChord({ dataDir, clock: () => ++now, cleanupInterval: 0, minFreeBytes: 0 });
  for (let n = 1; n <= 30; n++)
    await chord.contexts.update('a', { changes: { n, [`k${n % 3}`]: n } }, { allowMissing: true });
  const read = await chord.contexts.deltas('a', 0, {});
  const kept = new Set(read.deltas.filter(({ to }) => to.version % 5 === 0 || to.version > 20).map(({ at }) => at));
  t.is(
    await chord.contexts.thin(
      'a',
      planOf((at) => !kept.has(at)),
    ),
    15,
  );
  await chord.close();
  return dataDir;
}

test('a history that was thinned is healthy, also after a trim, later writes, a restart and in a backup', async (t) => {
  const directory = await thinned(t);
  t.like(await verified(directory), { told: [], result: { deltas: 15 } });
  const chord = await openChord({ dataDir: directory, cleanupInterval: 0, minFreeBytes: 0 });
  t.is(await chord.contexts.trim('a', 7), 2);
  await chord.contexts.update('a', { changes: { n: 31 } });
  const backup = join(await temporaryDirectory(t), 'backup');
  await makeBackup(backup, chord.store.backup!(), { onCopied: () => {}, onVerified: () => {} });
  await chord.close();
  for (const each of [directory, backup]) t.like(await verified(each), { told: [], result: { deltas: 14 } });
});

const OF_MERGED: readonly [string, (db: Databases) => void, RegExp][] = [
  [
    'changes of a merged delta',
    (db) => record(db, 'a', 15, (old) => ({ ...old, ...encodeChanges([{ action: 'added', path: ['x'], value: 1 }]) })),
    /^a 15: its seal does not follow from its changes$/,
  ],
  [
    'the base of a merged delta',
    (db) =>
      record(db, 'a', 15, (old) => {
        const base = { ...old.merged!.base, digest: 'XXXXXXXX' };
        return { ...old, merged: { base, seal: advance(base, old).digest } };
      }),
    /^a 15: it leads on from another position than that of the delta before it$/,
  ],
  [
    'a merged delta that is missing',
    (db) => void db.contexts.remove(logKey('a', 15)),
    /^a 11: versions 11 to 19 are missing$/,
  ],
  [
    'a merged delta that says it is of one version',
    (db) => record(db, 'a', 15, ({ merged: _, ...old }) => old),
    /^a 11: versions 11 to 14 are missing$/,
  ],
  [
    'a snapshot that is missing',
    (db) => void db.snapshots.remove(idKey('a')),
    /^a 20: its snapshot does not cover a merged delta$/,
  ],
  [
    'the number of versions',
    (db) => head(db, 'a', ({ head, place }) => ({ head, place: { ...place!, thinned: 14 } })),
    /^a : its head has another number of versions that were merged away$/,
  ],
];

for (const [what, damage, expected] of OF_MERGED) {
  test(`damage in a thinned history is told: ${what}`, async (t) => {
    const directory = await thinned(t);
    await tamper(directory, damage);
    const { told } = await verified(directory);
    t.true(
      told.some((line) => expected.test(line)),
      told.join('\n'),
    );
  });
}

function head(db: Databases, id: string, change: (row: HeadRow) => HeadRow): void {
  const row = decodeHead(db.contexts.getBinary(headKey(id))!, 'a head');
  void db.contexts.put(headKey(id), encodeHead(change(row)));
}

function record(db: Databases, id: string, version: number, change: (record: LogRecord) => LogRecord): void {
  const stored = decodeRecord(db.contexts.getBinary(logKey(id, version))!, 'a record');
  void db.contexts.put(logKey(id, version), encodeRecord(change(stored)));
}

function cut(database: Databases['contexts'], key: Buffer): void {
  void database.put(key, Buffer.from(database.getBinary(key)!.subarray(0, -1)));
}

/** A version with other changes, and the digest that they make. */
function rewritten(db: Databases, version: number): void {
  const before = decodeRecord(db.contexts.getBinary(logKey('whole', version - 1))!, 'a record').position;
  const payload = encodeChanges([{ action: 'added', path: ['never', 'there'], value: 1 }]);
  record(db, 'whole', version, (old) => ({ ...old, ...payload, position: advance(before, payload) }));
}

const WAYS: readonly [string, (db: Databases) => void, RegExp][] = [
  ['a head that does not decode', (db) => cut(db.contexts, headKey('whole')), /^whole : the head: the stored bytes/],
  ['a head that is missing', (db) => void db.contexts.remove(headKey('whole')), /^whole : its head is missing/],
  [
    'a delta that does not decode',
    (db) => cut(db.contexts, logKey('whole', 9)),
    /^whole 9: the record: the stored bytes/,
  ],
  ['a delta that is missing', (db) => void db.contexts.remove(logKey('whole', 9)), /^whole 9: version 9 is missing$/],
  [
    'deltas that are missing',
    (db) => {
      for (const version of [9, 10, 11]) void db.contexts.remove(logKey('whole', version));
    },
    /^whole 9: versions 9 to 11 are missing$/,
  ],
  [
    'the oldest delta',
    (db) => void db.contexts.remove(logKey('whole', 1)),
    /^whole : its deltas begin at version 2, and nothing/,
  ],
  [
    'the newest delta',
    (db) => void db.contexts.remove(logKey('whole', 41)),
    /^whole 40: its deltas end at version 40, .* 41$/,
  ],
  ['all deltas', (db) => void db.contexts.remove(logKey('new', 1)), /^new : it has neither a snapshot nor deltas$/],
  [
    'a delta of another version',
    (db) => record(db, 'whole', 9, (old) => ({ ...old, position: { ...old.position, version: 8 } })),
    /^whole 9: its record is of version 8$/,
  ],
  [
    'a delta of another life',
    (db) => record(db, 'whole', 9, (old) => ({ ...old, position: { ...old.position, epoch: 'another0' } })),
    /^whole 9: it belongs to another epoch$/,
  ],
  [
    'a delta with another digest',
    (db) => record(db, 'short', 30, (old) => ({ ...old, position: { ...old.position, digest: '00000000' } })),
    /^short 30: its digest does not follow from the version before it$/,
  ],
  [
    'a delta with other old values',
    (db) => record(db, 'whole', 9, (old) => ({ ...old, olds: Buffer.concat([old.olds, Buffer.from([0])]) })),
    /^whole 9: its digest does not follow/,
  ],
  [
    'a delta whose changes do not fit, with a digest that does',
    (db) => rewritten(db, 9),
    /^whole 9: .*key 0 does not lead to an object/,
  ],
  [
    'a delta that is older than the one before it',
    (db) => record(db, 'whole', 9, (old) => ({ ...old, at: 1 })),
    /^whole 9: it is older than the version before it$/,
  ],
  [
    'a snapshot that does not decode',
    (db) => cut(db.snapshots, idKey('short')),
    /^short : the snapshot: the stored bytes/,
  ],
  [
    'a snapshot that is missing',
    (db) => void db.snapshots.remove(idKey('short')),
    /^short : its deltas begin at version 21, and nothing/,
  ],
  [
    'a snapshot with another text, where older deltas are retained',
    (db) => {
      const { version } = decodeSnapshot(db.snapshots.getBinary(idKey('short'))!, 'a snapshot');
      const bytes = encodeStruct({ n: version - 1, text: 'z'.repeat(400) });
      void db.snapshots.put(idKey('short'), encodeSnapshot({ version, bytes }));
    },
    /^short \d+: its snapshot differs from the document that the deltas before it make$/,
  ],
  [
    'a snapshot beside a log from the beginning',
    (db) => void db.snapshots.put(idKey('whole'), encodeSnapshot({ version: 20, bytes: encodeStruct({ n: 20 }) })),
    /^whole 20: its snapshot differs from the document that its deltas make$/,
  ],
  [
    'a snapshot of nothing',
    (db) => void db.snapshots.put(idKey('nobody'), encodeSnapshot({ version: 1, bytes: encodeStruct({}) })),
    /^nobody : its head is missing/,
  ],
  [
    'a head with another weight',
    (db) => head(db, 'whole', (row) => ({ ...row, head: { ...row.head, weight: row.head.weight + 1 } })),
    /^whole 41: its document weighs \d+ bytes, its head says \d+$/,
  ],
  [
    'a head with another digest',
    (db) =>
      head(db, 'whole', ({ head, place }) => ({
        head: { ...head, position: { ...head.position, digest: 'other000' } },
        place: place!,
      })),
    /^whole 41: its head has another position than its last delta$/,
  ],
  [
    'a head with other times',
    (db) => head(db, 'new', (row) => ({ ...row, head: { ...row.head, createdAt: 1 } })),
    /^new 1: its head has another time of creation/,
  ],
  [
    'a head that says that more was trimmed',
    (db) => head(db, 'short', (row) => ({ ...row, place: { ...row.place!, trimmed: 25 } })),
    /^short : its head has another oldest delta than is stored$/,
  ],
  [
    'a context that is not in an index',
    (db) => {
      const { place } = decodeHead(db.contexts.getBinary(headKey('touched'))!, 'a head');
      void db.due.remove(dueKey(1, place!.entries[1]!, 'touched'));
    },
    /^touched : it is not in the index idle, where its head says it is$/,
  ],
  [
    'a context that expires later than its index says',
    (db) => head(db, 'brief', (row) => ({ ...row, head: { ...row.head, expiry: { at: 5, ttl: 5 } } })),
    /^brief : its key in the index expiry is wrong$/,
  ],
  [
    'an index that points to nothing',
    (db) => void db.due.put(dueKey(0, 77, 'nobody'), NOTHING),
    /^nobody : an entry of the index due points to nothing$/,
  ],
  [
    'a request that does not decode',
    (db) => {
      const [row] = db.requestLog.getRange({ limit: 1 });
      const bytes = Buffer.from(row!.value);
      bytes[bytes.lastIndexOf('+')] = 0x20;
      void db.requestLog.put(row!.key, bytes);
    },
    /^new : what a request was answered is damaged/,
  ],
  [
    'requests whose lengths do not add up',
    (db) => cut(db.requestLog, numberKey(1)),
    /^ : the answers of requests: the stored bytes are damaged/,
  ],
  [
    'a request that would never be forgotten',
    (db) => {
      void db.requests.put(requestKey('new', 'former'), formerRequest('former'));
    },
    /^new : request "former" is not in the index of times/,
  ],
  [
    'a time of no request',
    (db) => void db.requestTimes.put(requestTimeKey(5, 'nobody', 'r'), NOTHING),
    /^nobody : an entry of the index request-times points to nothing$/,
  ],
  [
    'a context that is not in the list',
    (db) => void db.ids.remove(idKey('whole')),
    /^whole : it is missing in the list of contexts$/,
  ],
  [
    'a place in the list of no context',
    (db) => void db.ids.put(idKey('nobody'), NOTHING),
    /^nobody : the list of contexts has it, and its head is missing$/,
  ],
  [
    'a place in the list that holds something',
    (db) => void db.ids.put(idKey('whole'), Buffer.from('else')),
    /^whole : its entry in the list of contexts has an unexpected value$/,
  ],
  [
    'a head of no name',
    (db) => void db.contexts.put(Buffer.from([0, 0xff]), NOTHING),
    /^ : a key of contexts is damaged/,
  ],
  [
    'a key that is none',
    (db) => void db.contexts.put(Buffer.from('what'), NOTHING),
    /^ : a key of contexts is damaged: what$/,
  ],
];

for (const [way, change, told] of WAYS) {
  test(`told: ${way}`, async (t) => {
    const directory = await filled(t, 5);
    await tamper(directory, change);
    const lines = (await verified(directory)).told;
    t.true(
      lines.some((line) => told.test(line)),
      lines.join('\n') || 'nothing was told',
    );
    // Nothing is wrong with the others.
    const about = new Set(lines.map((line) => line.split(' ')[0]));
    t.true(about.size <= 2, lines.join('\n'));
  });
}

test('flipped bits: each that changes a delta, a snapshot or where a context stands is told', async (t) => {
  const directory = await filled(t, 20);
  const file = join(directory, 'data.mdb');
  const whole = await readFile(file);
  const before = stored(directory);
  const counts = { told: 0, unread: 0 };
  // Not near one another, and at every place of a page.
  for (let at = 5; at < whole.length; at += 487) {
    const bytes = Buffer.from(whole);
    bytes[at]! ^= 1 << (at & 7);
    await writeFile(file, bytes);
    const told = await verified(directory).then(
      (found) => found.told.length > 0,
      (error: unknown) => {
        if (error instanceof ChordError) return true;
        throw error; // whatever is in the file, it is told
      },
    );
    counts[told ? 'told' : 'unread']++;
    if (!told) t.deepEqual(stored(directory), before, `byte ${at}`);
  }
  t.true(counts.told > 100);
  t.log(counts);
});

function toldOf(head: Buffer): string {
  const { position, weight, updatedAt } = decodeHead(head, 'a head').head;
  return JSON.stringify([position, weight, updatedAt]);
}

/** What verify answers for: all but times of use, and the delta before which nothing is known. */
function stored(directory: string): Map<string, string> {
  const contents = Contents.open(directory, (error) => {
    throw error;
  });
  const found = new Map<string, string>();
  try {
    for (const { key } of contents.entries('ids')) found.set(`id ${key.toString('latin1')}`, '');
    for (const database of ['contexts', 'snapshots'] as const) {
      for (const { key, value } of contents.entries(database)) {
        if (key.equals(logKey('short', 21))) continue;
        const isHead = key.at(-1) === 0xff && key.at(-2) === 0;
        found.set(`${database} ${key.toString('latin1')}`, isHead ? toldOf(value()) : value().toString('latin1'));
      }
    }
    return found;
  } finally {
    contents.close();
  }
}

/** As an earlier release remembered a request. */
function formerRequest(id: string): Buffer {
  const blobs = [id, 'print', '{"changed":false}'].map((text) => Buffer.from(text));
  const numbers = Buffer.alloc(8 + 12);
  for (const [i, blob] of blobs.entries()) numbers.writeUInt32BE(blob.length, 8 + 4 * i);
  return Buffer.concat([Buffer.from([1, 1, 3]), numbers, ...blobs]);
}

/** Opens the LMDB files of a data directory, after making sure that they are ours, known and whole. */
import { type Database, open, type RootDatabase } from 'lmdb';
import { ChordError } from '../../model/errors.js';
import { checkDataFile } from './fsck/data-file.js';

/** What the layout of Databases below is called. A change that older code would misread makes it 3. */
export const FORMAT = { name: 'chord', version: 2 };
export const FORMAT_KEY = Buffer.from('format');
const BYTES = { keyEncoding: 'binary', encoding: 'binary', cache: false } as const;

export type Bytes = Database<Buffer, Buffer>;

/** What the databases are called in the environment. */
export const NAMES = {
  ids: 'ids',
  contexts: 'contexts',
  snapshots: 'snapshots',
  remains: 'remains',
  due: 'due',
  requests: 'requests',
  requestTimes: 'request-times',
} as const;

/** IndexKeys are bytes: ids in UTF-8, which never have a NUL, and numbers as in records.ts. */
export interface Databases {
  /** The environment. Its own records are the format and the names of the databases. */
  readonly env: RootDatabase<Buffer, Buffer>;
  /** id -> nothing: what there is. */
  readonly ids: Bytes;
  /**
   * id, NUL, version -> log record; id, NUL, 0xff -> head. A context's head lies beside its newest record, in the same
   * page as a rule, so that a commit of one context among very many changes one leaf and not two.
   */
  readonly contexts: Bytes;
  /** id -> snapshot. */
  readonly snapshots: Bytes;
  /**
   * id -> nothing: of an earlier life there are records left, to be removed in steps. No context has records of its own
   * but from just behind what was trimmed up to its head.
   */
  readonly remains: Bytes;
  /** index (1 byte), key, id -> nothing: the indexes of `Store.due`, kept as due.ts says. */
  readonly due: Bytes;
  /** id, NUL, request id -> request. Each row has its time: what is old is found by a pass over all, now and then. */
  readonly requests: Bytes;
  /** time, id, NUL, request id -> nothing: of requests that earlier releases remembered, until they are forgotten. */
  readonly requestTimes: Bytes;
}

export interface OpenOptions {
  readonly directory: string;
  /** Of address space, in bytes. Absent: grows as needed. */
  readonly mapSize?: number | undefined;
  /** Commits do not wait for the disk: for whoever syncs when all is written. */
  readonly noSync?: boolean | undefined;
}

/** Throws FAILED_PRECONDITION on another program's or a newer Chord's files, DATA_LOSS on damaged ones. */
export async function openDatabases(options: OpenOptions): Promise<Databases> {
  const { directory } = options;
  checkDataFile(directory);
  const env = openEnvironment(options);
  try {
    await checkFormat(env, directory);
    const database = (name: string): Bytes => env.openDB({ ...BYTES, name });
    return {
      env,
      ids: database(NAMES.ids),
      contexts: database(NAMES.contexts),
      snapshots: database(NAMES.snapshots),
      remains: database(NAMES.remains),
      due: database(NAMES.due),
      requests: database(NAMES.requests),
      requestTimes: database(NAMES.requestTimes),
    };
  } catch (error) {
    await env.close();
    throw error;
  }
}

function openEnvironment({ directory, mapSize, noSync = false }: OpenOptions): RootDatabase<Buffer, Buffer> {
  try {
    return open({
      ...BYTES,
      path: directory,
      noSubdir: false,
      overlappingSync: false, // a promise kept means: on the disk
      eventTurnBatching: false, // lmdb-writer.ts does that
      maxDbs: 8,
      noSync,
      ...(mapSize === undefined ? {} : { mapSize }),
    });
  } catch (error) {
    throw new ChordError('FAILED_PRECONDITION', `cannot open the database in ${directory}: ${error}`, { cause: error });
  }
}

async function checkFormat(env: RootDatabase<Buffer, Buffer>, directory: string): Promise<void> {
  const stored = env.getBinary(FORMAT_KEY);
  if (stored === undefined) {
    if (env.getKeysCount({ limit: 1 }) > 0) throw foreign(directory);
    await env.put(FORMAT_KEY, Buffer.from(JSON.stringify({ ...FORMAT, createdBy: `node ${process.version}` })));
    return;
  }
  checkStored(stored, directory);
}

/** Throws FAILED_PRECONDITION where the format record is another program's or a newer Chord's. */
export function checkStored(stored: Buffer, directory: string): void {
  const { name, version } = parse(stored);
  if (name !== FORMAT.name || typeof version !== 'number') throw foreign(directory);
  if (version < FORMAT.version) {
    throw new ChordError(
      'FAILED_PRECONDITION',
      `${directory} holds data of an older Chord (format ${version}; this one reads ${FORMAT.version}): ` +
        'export it with that one, and restore it here',
    );
  }
  if (version > FORMAT.version) {
    throw new ChordError(
      'FAILED_PRECONDITION',
      `${directory} holds data of a newer Chord (format ${version}; this one knows up to ${FORMAT.version})`,
    );
  }
}

function parse(bytes: Buffer): { name?: unknown; version?: unknown } {
  try {
    return Object(JSON.parse(bytes.toString()));
  } catch {
    return {};
  }
}

export function foreign(directory: string): ChordError {
  return new ChordError('FAILED_PRECONDITION', `${directory} holds an LMDB database that is not Chord's`);
}

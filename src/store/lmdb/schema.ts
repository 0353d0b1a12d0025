/** Opens the LMDB files of a data directory, after checking that they are Chord's, in a known format, and intact. */
import { type Database, open, type RootDatabase } from 'lmdb';
import { ChordError } from '../../model/errors.js';
import { isDamage, unreadable } from './errors.js';
import { checkDataFile } from './fsck/data-file.js';

/** The format of the Databases below. A change that older code would misread must increase the version. */
export const FORMAT = { name: 'chord', version: 2 };
/** From the first thinning on: older code would take merged records for damage, and the rows of their heads for others. */
export const THINNED_FORMAT = 3;
export const FORMAT_KEY = Buffer.from('format');
const BYTES = { keyEncoding: 'binary', encoding: 'binary', cache: false } as const;

/** Of files that it makes. The types do not know of it. */
const PERMISSIONS = { permissionsMode: 0o600 } as object;

export type Bytes = Database<Buffer, Buffer>;

/** The names of the databases in the environment. */
export const NAMES = {
  ids: 'ids',
  contexts: 'contexts',
  snapshots: 'snapshots',
  remains: 'remains',
  due: 'due',
  requests: 'requests',
  requestTimes: 'request-times',
  requestLog: 'request-log',
  members: 'members',
} as const;

/** Keys are bytes: ids in UTF-8, which never have a NUL, and numbers as in record-format.ts. */
export interface Databases {
  /** The environment. Its own records are the format and the names of the databases. */
  readonly env: RootDatabase<Buffer, Buffer>;
  /** id -> nothing: the existing contexts. */
  readonly ids: Bytes;
  /**
   * id, NUL, version -> log record; id, NUL, 0xff -> head. The head of a context is next to its newest record, usually in
   * the same page, so that a commit of one context among very many changes one leaf and not two.
   */
  readonly contexts: Bytes;
  /** id -> snapshot. */
  readonly snapshots: Bytes;
  /**
   * id -> nothing: contexts with records of an earlier life, or members of an earlier generation, which are removed in steps.
   * The current life only has the records after the trimmed version and up to its head.
   */
  readonly remains: Bytes;
  /** index (1 byte), key, id -> nothing: the indexes of `Store.due`, kept as retention-index.ts says. */
  readonly due: Bytes;
  /** id, NUL, request id -> request: of requests that earlier releases remembered, until they are forgotten. */
  readonly requests: Bytes;
  /** time, id, NUL, request id -> nothing: the same, of the oldest releases alone. */
  readonly requestTimes: Bytes;
  /** number of a transaction -> the requests that it stored (request-log.ts). */
  readonly requestLog: Bytes;
  /**
   * id, NUL, generation, number -> a member that expires. Where the first member of a context begins to expire, a new
   * generation begins: so all members go at once with the mark of the head, however many there are.
   */
  readonly members: Bytes;
}

export interface OpenOptions {
  readonly directory: string;
  /** Address space in bytes. Absent: grows as needed. */
  readonly mapSize?: number | undefined;
  /** Commits do not wait for the disk: for callers that sync after all writes. */
  readonly noSync?: boolean | undefined;
  /** The format of new files. */
  readonly format?: number | undefined;
}

/** Throws FAILED_PRECONDITION for files of another program or a newer Chord, DATA_LOSS for damaged files. */
export async function openDatabases(options: OpenOptions): Promise<Databases> {
  const { directory, format = FORMAT.version } = options;
  checkDataFile(directory);
  const env = openEnvironment(options);
  try {
    await checkFormat(env, directory, format);
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
      requestLog: database(NAMES.requestLog),
      members: database(NAMES.members),
    };
  } catch (error) {
    await env.close();
    throw unreadable(error);
  }
}

function openEnvironment({ directory, mapSize, noSync = false }: OpenOptions): RootDatabase<Buffer, Buffer> {
  try {
    return open({
      ...BYTES,
      path: directory,
      noSubdir: false,
      overlappingSync: false, // a resolved promise means that the data are on the disk
      eventTurnBatching: false, // group-commit.ts does that
      maxDbs: 12,
      noSync,
      ...PERMISSIONS,
      ...(mapSize === undefined ? {} : { mapSize }),
    });
  } catch (error) {
    if (isDamage(error)) throw unreadable(error);
    throw new ChordError('FAILED_PRECONDITION', `cannot open the database in ${directory}: ${error}`, { cause: error });
  }
}

async function checkFormat(env: RootDatabase<Buffer, Buffer>, directory: string, format: number): Promise<void> {
  const stored = env.getBinary(FORMAT_KEY);
  if (stored === undefined) {
    if (env.getKeysCount({ limit: 1 }) > 0) throw foreign(directory);
    await env.put(FORMAT_KEY, formatRecord(format));
    return;
  }
  checkStored(stored, directory);
}

export function formatRecord(version: number): Buffer {
  return Buffer.from(JSON.stringify({ ...FORMAT, version, createdBy: `node ${process.version}` }));
}

/** The format of open databases. */
export function formatOf(env: RootDatabase<Buffer, Buffer>): number {
  return Number(parse(env.getBinary(FORMAT_KEY) ?? Buffer.alloc(0)).version);
}

/** Throws FAILED_PRECONDITION where the format record is of another program or of a newer Chord. */
export function checkStored(stored: Buffer, directory: string): void {
  const { name, version } = parse(stored);
  if (name !== FORMAT.name || typeof version !== 'number') throw foreign(directory);
  if (version < FORMAT.version) {
    throw new ChordError(
      'FAILED_PRECONDITION',
      `${directory} contains data of an older Chord (format ${version}; this one reads ${FORMAT.version}): ` +
        'export the contexts with the older version, and restore them here',
    );
  }
  if (version > THINNED_FORMAT) {
    throw new ChordError(
      'FAILED_PRECONDITION',
      `${directory} contains data of a newer Chord (format ${version}; this one reads up to ${THINNED_FORMAT})`,
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
  return new ChordError('FAILED_PRECONDITION', `${directory} contains an LMDB database that is not Chord's`);
}

/** Opens the LMDB files of a data directory, after making sure that they are ours, known and whole. */
import { type Database, open, type RootDatabase } from 'lmdb';
import { ChordError } from '../errors.js';
import { checkDataFile } from './lmdb-file.js';

/** What the layout of Databases below is called. A change that older code would misread makes it 2. */
const FORMAT = { name: 'chord', version: 1 };
const FORMAT_KEY = Buffer.from('format');
const BYTES = { keyEncoding: 'binary', encoding: 'binary', cache: false } as const;

type Bytes = Database<Buffer, Buffer>;

/** Keys are bytes: ids in UTF-8, which never have a NUL, and numbers as in records.ts. */
export interface Databases {
  /** The environment. Its own records are the format and the names of the databases. */
  readonly env: RootDatabase<Buffer, Buffer>;
  /** id -> head. */
  readonly heads: Bytes;
  /** id, NUL, version -> log record. */
  readonly log: Bytes;
  /** id -> snapshot. */
  readonly snapshots: Bytes;
  /** index (1 byte), key, id -> nothing: the indexes of `Store.due`, kept as due.ts says. */
  readonly due: Bytes;
  /** id, NUL, request id -> request. */
  readonly requests: Bytes;
  /** time, id, NUL, request id -> nothing. */
  readonly requestTimes: Bytes;
}

export interface OpenOptions {
  readonly directory: string;
  /** Of address space, in bytes. Absent: grows as needed. */
  readonly mapSize?: number | undefined;
}

/** Throws FAILED_PRECONDITION on another program's or a newer Chord's files, DATA_LOSS on damaged ones. */
export async function openDatabases({ directory, mapSize }: OpenOptions): Promise<Databases> {
  await checkDataFile(directory);
  const env = openEnvironment(directory, mapSize);
  try {
    await checkFormat(env, directory);
    const database = (name: string): Bytes => env.openDB({ ...BYTES, name });
    return {
      env,
      heads: database('heads'),
      log: database('log'),
      snapshots: database('snapshots'),
      due: database('due'),
      requests: database('requests'),
      requestTimes: database('request-times'),
    };
  } catch (error) {
    await env.close();
    throw error;
  }
}

function openEnvironment(directory: string, mapSize: number | undefined): RootDatabase<Buffer, Buffer> {
  try {
    return open({
      ...BYTES,
      path: directory,
      noSubdir: false,
      overlappingSync: false, // a promise kept means: on the disk
      eventTurnBatching: false, // lmdb-writer.ts does that
      maxDbs: 8,
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
  const { name, version } = parse(stored);
  if (name !== FORMAT.name || typeof version !== 'number') throw foreign(directory);
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

function foreign(directory: string): ChordError {
  return new ChordError('FAILED_PRECONDITION', `${directory} holds an LMDB database that is not Chord's`);
}

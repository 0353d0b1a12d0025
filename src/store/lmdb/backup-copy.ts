/** Makes an LMDB store of the records of a backup, in a directory where there was none. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { ChordError } from '../../model/errors.js';
import type { Backup, BackupPart } from '../store.js';
import { sync } from './directory.js';
import { freeBytesOf } from './disk-space.js';
import { commitFailed } from './errors.js';
import { type Databases, FORMAT, NAMES, openDatabases, THINNED_FORMAT } from './schema.js';

/** Bytes written at once: the most that is held in memory, and about the memory that LMDB may need beside it. */
const BATCH_BYTES = 8 * 2 ** 20;
/** Bytes left free on the disk: LMDB may not survive a commit that finds the disk full. */
const RESERVE_BYTES = 4 * 2 ** 20;

/** With records in the order of their keys, LMDB fills each page to its end. The types only accept a version here. */
const APPEND = { append: true } as unknown as number;

export class Copy {
  #waiting: BackupPart[] = [];
  #bytes = 0;
  readonly #missing: Map<string, number>;
  readonly #last = new Map<string, Buffer>();

  private constructor(
    private readonly directory: string,
    private readonly db: Databases,
    counts: ReadonlyMap<string, number>,
  ) {
    this.#missing = new Map(counts);
  }

  /** Starts in an empty directory. Throws FAILED_PRECONDITION where the records have another Chord's layout. */
  static async begin(directory: string, { format, counts }: Pick<Backup, 'format' | 'counts'>): Promise<Copy> {
    if (format < FORMAT.version || format > THINNED_FORMAT) {
      const known = `${FORMAT.version} to ${THINNED_FORMAT}`;
      const message = `the records have format ${format}, this Chord writes ${known}: use the server's version`;
      throw new ChordError('FAILED_PRECONDITION', message);
    }
    return new Copy(directory, await openDatabases({ directory, noSync: true, format }), counts);
  }

  /** Adds records, whose keys must be in order. Throws RESOURCE_EXHAUSTED where the disk is nearly full. */
  async add(part: BackupPart): Promise<void> {
    const missing = this.#missing.get(part.database);
    if (missing === undefined || part.keys.length !== part.values.length) throw unfit(`records of ${part.database}`);
    this.#missing.set(part.database, missing - part.keys.length);
    this.#waiting.push(part);
    for (const [i, key] of part.keys.entries()) {
      const last = this.#last.get(part.database);
      if (last && Buffer.compare(last, key) >= 0) throw unfit(`records of ${part.database} out of order`);
      this.#last.set(part.database, key);
      this.#bytes += key.length + part.values[i]!.length;
    }
    if (this.#bytes >= BATCH_BYTES) await this.#write();
  }

  /** Resolves when all records are on the disk. Throws DATA_LOSS where records are missing. */
  async finish(): Promise<void> {
    await this.#write();
    for (const [name, missing] of this.#missing) {
      if (missing !== 0)
        throw unfit(`${missing > 0 ? `${missing} too few` : `${-missing} too many`} records of ${name}`);
    }
    await this.close();
    for (const file of ['lock.mdb', 'LOCK']) await rm(join(this.directory, file), { force: true });
    for (const path of [join(this.directory, 'data.mdb'), this.directory]) await sync(path);
  }

  async close(): Promise<void> {
    await this.db.env.close();
  }

  async #write(): Promise<void> {
    const [parts, bytes] = [this.#waiting, this.#bytes];
    [this.#waiting, this.#bytes] = [[], 0];
    if (parts.length === 0) return;
    if ((await freeBytesOf(this.directory)) < 2 * bytes + RESERVE_BYTES) {
      throw new ChordError('RESOURCE_EXHAUSTED', `the disk of ${this.directory} is nearly full`);
    }
    const databases = new Map(Object.entries(NAMES).map(([key, name]) => [name as string, this.db[key as 'contexts']]));
    const written = this.db.env.batch(() => {
      for (const { database, keys, values } of parts) {
        const into = databases.get(database)!;
        for (const [i, key] of keys.entries()) void into.put(key, values[i]!, APPEND);
      }
    });
    await written.catch(async (error) => {
      throw await commitFailed(error);
    });
  }
}

function unfit(what: string): ChordError {
  return new ChordError('DATA_LOSS', `the backup is incomplete: ${what}`);
}

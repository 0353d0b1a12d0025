/**
 * Copies of a whole store while it is in use. A read transaction keeps the state of one moment; its records are read in
 * small parts, and other work runs in between. While the transaction is open, LMDB cannot reuse the pages that writes
 * free, and the file grows: so a transaction from which no records are read is ended.
 */
import type { Transaction } from 'lmdb';
import { ChordError } from '../../model/errors.js';
import type { Backup, BackupPart } from '../store.js';
import { unreadable } from './errors.js';
import { type Bytes, type Databases, formatOf, NAMES } from './schema.js';

/** Limits one part to a few milliseconds of the event loop. */
const PART_BYTES = 128 * 1024;
/** The maximum number of records in one part, where records are small. */
const PART_RECORDS = 1000;
/** How long a transaction stays open while no part is read, in milliseconds. */
const PATIENCE_MS = 60_000;

const DATABASES = Object.keys(NAMES) as (keyof typeof NAMES)[];

export class Backups {
  readonly #moments = new Set<Moment>();

  constructor(
    readonly db: Databases,
    readonly patience = PATIENCE_MS,
  ) {}

  begin(): Backup {
    const moment = new Moment(this.db, this.patience, () => this.#moments.delete(moment));
    this.#moments.add(moment);
    return { format: formatOf(this.db.env), counts: moment.counts, parts: this.#parts(moment) };
  }

  /** Ends all backups: before that the environment cannot be closed. */
  close(): void {
    for (const moment of this.#moments) moment.end(new ChordError('UNAVAILABLE', 'the store is closed'));
  }

  async *#parts(moment: Moment): AsyncGenerator<BackupPart> {
    try {
      for (const database of DATABASES) {
        let after: Buffer | undefined;
        for (;;) {
          const part = moment.read(this.db[database], after);
          after = part.keys.at(-1);
          if (after === undefined) break;
          yield { database: NAMES[database], ...part };
          await new Promise((resolve) => setImmediate(resolve));
        }
      }
    } finally {
      moment.end(new ChordError('UNAVAILABLE', 'the backup has ended'));
    }
  }
}

class Moment {
  readonly counts: ReadonlyMap<string, number>;
  readonly #transaction: Transaction;
  readonly #timer: NodeJS.Timeout;
  #over: ChordError | undefined;

  constructor(
    db: Databases,
    patience: number,
    private readonly onEnd: () => void,
  ) {
    db.env.resetReadTxn(); // otherwise the transaction would show the moment of the last read
    this.#transaction = db.env.useReadTransaction();
    // Nothing was awaited since, so the same transaction answers these counts.
    const count = (database: Bytes) => (database.getStats() as { entryCount: number }).entryCount;
    this.counts = new Map(DATABASES.map((database) => [NAMES[database], count(db[database])]));
    const late = new ChordError('DEADLINE_EXCEEDED', `no records of the backup were read for ${patience} ms`);
    this.#timer = setTimeout(() => this.end(late), patience).unref();
  }

  /** The next records after this key. Throws the reason where the backup has ended. */
  read(database: Bytes, after: Buffer | undefined): { keys: Buffer[]; values: Buffer[] } {
    if (this.#over) throw this.#over;
    this.#timer.refresh();
    const keys: Buffer[] = [];
    const values: Buffer[] = [];
    let bytes = 0;
    const from = after ? { start: after, exclusiveStart: true } : {};
    try {
      for (const { key, value } of database.getRange({ ...from, transaction: this.#transaction })) {
        keys.push(key);
        values.push(value);
        bytes += key.length + value.length;
        if (bytes >= PART_BYTES || keys.length === PART_RECORDS) break;
      }
    } catch (error) {
      throw unreadable(error);
    }
    return { keys, values };
  }

  end(why: ChordError): void {
    if (this.#over) return;
    this.#over = why;
    clearTimeout(this.#timer);
    this.#transaction.done();
    this.onEnd();
  }
}

/**
 * The audit log: JSON lines that are only ever appended to a file.
 *
 * Entries gather while the ones before them are being written. While the file cannot be written, `writable` is false,
 * and whoever would make entries must not go on; what was noted meanwhile is kept, and written when that is possible
 * again. Only what the process had not handed to the system when it was killed is lost.
 */
import { closeSync, fdatasync, fstatSync, openSync, readSync, write } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ChordError } from '../model/errors.js';
import { escapeSteering } from '../model/text.js';
import { type Caller, LogRateLimit } from './log-rate-limit.js';

const writeTo = promisify(write);
/** How often a file that cannot be written is tried again, in milliseconds. */
const RETRY_EVERY = 250;
/** More than this is not kept in memory, where the disk is too slow or full. */
const WAITING_MAX = 16 * 2 ** 20;
const NEWLINE = '\n';

export interface AuditHears {
  failed(error: unknown): void;
  recovered(): void;
  /** At the end, what could not be written. */
  lost(entries: number): void;
}

export class AuditLog {
  #fd = -1;
  /** What goes on in place of `fd` when the write under way is done. */
  #next: Opened | undefined;
  #lines: string[] = [];
  /** Characters in `lines`. */
  #waiting = 0;
  /** What is on its way to the file, and how much of it is there. */
  #chunk = Buffer.alloc(0);
  #written = 0;
  #flushing: Promise<void> | undefined;
  #failing = false;
  #closed = false;
  readonly #refusals = new LogRateLimit((refused, caller) =>
    this.append({ time: new Date().toISOString(), refused, ...caller }),
  );

  /** Throws FAILED_PRECONDITION where the file cannot be opened. A new one is for its owner alone. */
  constructor(
    private readonly path: string,
    private readonly hears: AuditHears,
  ) {
    this.#use(this.#open());
  }

  get writable(): boolean {
    return !this.#failing && this.#waiting < WAITING_MAX;
  }

  append(entry: object): void {
    const line = escapeSteering(JSON.stringify(entry)) + NEWLINE;
    this.#waiting += line.length;
    this.#lines.push(line);
    this.#flushing ??= this.#flush();
  }

  /**
   * Of calls that were not let in only so many a second are noted for each caller, and then counted: nobody fills the
   * disk by knocking, or hides what others do.
   */
  appendRefusal(caller: Caller, entry: () => object): void {
    if (this.writable && this.#refusals.admits(caller)) this.append(entry());
  }

  /** Goes on in a file of the same name: the one it has was moved away. Throws as the constructor, and goes on as it was. */
  reopen(): void {
    const opened = this.#open();
    if (this.#next) closeSync(this.#next.fd);
    this.#next = opened;
    this.#flushing ??= this.#flush();
  }

  /** Writes what is left, if that is possible, and waits until it is on the disk. */
  async close(): Promise<void> {
    this.#refusals.close();
    this.#closed = true;
    await this.#flushing;
    await promisify(fdatasync)(this.#fd).catch(() => {}); // a pipe, say, has no disk
    closeSync(this.#fd);
    const lost = this.#lines.length + this.#chunk.subarray(this.#written).filter((byte) => byte === 0x0a).length;
    if (lost > 0) this.hears.lost(lost);
  }

  #open(): Opened {
    try {
      const fd = openSync(this.path, 'a+', 0o600);
      const { size } = fstatSync(fd);
      const last = Buffer.from(NEWLINE);
      if (size > 0) readSync(fd, last, 0, 1, size - 1);
      return { fd, torn: last.toString() !== NEWLINE };
    } catch (error) {
      const message = `cannot open the audit log: ${(error as Error).message}`;
      throw new ChordError('FAILED_PRECONDITION', message, { cause: error });
    }
  }

  /** From now on. A line that is not complete in the file before comes whole into this one. */
  #use({ fd, torn }: Opened): void {
    if (this.#fd >= 0) closeSync(this.#fd);
    this.#fd = fd;
    const lineStart = this.#written === 0 ? 0 : this.#chunk.lastIndexOf(NEWLINE, this.#written - 1) + 1;
    const rest = this.#chunk.subarray(lineStart);
    this.#chunk = torn ? Buffer.concat([Buffer.from(NEWLINE), rest]) : rest;
    this.#written = 0;
  }

  /** Never rejects. */
  async #flush(): Promise<void> {
    // The rest of this event turn joins the first write.
    await new Promise<void>((resolve) => setImmediate(resolve));
    for (;;) {
      if (this.#next) this.#use(this.#next);
      this.#next = undefined;
      if (this.#written === this.#chunk.length) this.#take();
      if (this.#chunk.length === 0) break;
      try {
        this.#written += (await writeTo(this.#fd, this.#chunk, this.#written)).bytesWritten;
        if (this.#failing) this.hears.recovered();
        this.#failing = false;
      } catch (error) {
        if (!this.#failing) this.hears.failed(error);
        this.#failing = true;
        if (this.#closed) break;
        await sleep(RETRY_EVERY);
      }
    }
    this.#flushing = undefined;
  }

  #take(): void {
    this.#chunk = Buffer.from(this.#lines.join(''));
    this.#lines = [];
    this.#written = this.#waiting = 0;
  }
}

interface Opened {
  readonly fd: number;
  /** Somebody was killed in the middle of its last line. */
  readonly torn: boolean;
}

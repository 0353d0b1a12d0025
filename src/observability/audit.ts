/**
 * The audit log: JSON lines, appended to a file.
 *
 * Entries gather while earlier ones are being written. While the file cannot be written, `writable` is false, and calls
 * that need an entry must be refused; entries of calls that were under way are kept, and are written as soon as that is
 * possible again. A killed process loses only the entries that it had not passed to the operating system.
 */
import { closeSync, fdatasync, fstatSync, openSync, readSync, write } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { ChordError } from '../model/errors.js';
import { escapeSteering } from '../model/text.js';
import { type Caller, LogRateLimit } from './log-rate-limit.js';

const writeTo = promisify(write);
/** Interval of retries while the file cannot be written, in milliseconds. */
const RETRY_EVERY = 250;
/** Memory limit of entries that wait for a slow or full disk, in characters. */
const WAITING_MAX = 16 * 2 ** 20;
const NEWLINE = '\n';

export interface AuditHears {
  failed(error: unknown): void;
  recovered(): void;
  /** Called at the end with the number of entries that could not be written. */
  lost(entries: number): void;
}

export class AuditLog {
  #fd = -1;
  /** The file that replaces `fd` when the present write is done. */
  #next: Opened | undefined;
  #lines: string[] = [];
  /** Characters in `lines`. */
  #waiting = 0;
  /** The bytes being written, and how many of them are in the file. */
  #chunk = Buffer.alloc(0);
  #written = 0;
  #flushing: Promise<void> | undefined;
  #failing = false;
  #closed = false;
  readonly #refusals = new LogRateLimit((refused, caller) =>
    this.append({ time: new Date().toISOString(), refused, ...caller }),
  );

  /** Throws FAILED_PRECONDITION where the file cannot be opened. A new file is readable by its owner alone. */
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
   * Records a refused call. Refusals are limited per second for each caller, and beyond that only counted: a caller
   * cannot fill the disk with refused calls, or hide the calls of others.
   */
  appendRefusal(caller: Caller, entry: () => object): void {
    if (this.writable && this.#refusals.admits(caller)) this.append(entry());
  }

  /** Opens the file name again after log rotation. Throws like the constructor, and then keeps the present file. */
  reopen(): void {
    const opened = this.#open();
    if (this.#next) closeSync(this.#next.fd);
    this.#next = opened;
    this.#flushing ??= this.#flush();
  }

  /** Writes the remaining entries, if possible, and waits until they are on the disk. */
  async close(): Promise<void> {
    this.#refusals.close();
    this.#closed = true;
    await this.#flushing;
    await promisify(fdatasync)(this.#fd).catch(() => {}); // a pipe, for example, has no disk
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

  /** Switches to this file. A line that is incomplete in the previous file is written whole to this one. */
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
    // Entries of the same event-loop turn join the first write.
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
  /** A killed process left an incomplete last line in the file. */
  readonly torn: boolean;
}

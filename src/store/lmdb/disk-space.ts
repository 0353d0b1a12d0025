/**
 * Watches the free space of the disk and turns the store read-only before it runs out: a commit that finds the
 * disk full ends the server. What is on its way to the disk between two looks is kept well below the reserve.
 * Below the reserve, removals and trims go on down to a half of it: they need pages of their own, and free more.
 */
import { readFileSync } from 'node:fs';
import { stat, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { ChordError } from '../../model/errors.js';
import type { StoreHealth } from '../store.js';
import type { CommitGate } from './group-commit.js';

const MIB = 1024 * 1024;
const LOOK_INTERVAL_MS = 1_000;

export type FreeBytes = () => Promise<bigint | number>;

export class SpaceWatch implements CommitGate {
  readonly maxBytesPerTurn: number;
  readonly #timer: NodeJS.Timeout;
  #free = 0;
  #readOnly = false;
  /** Bytes admitted since the last measurement. */
  #admitted = 0;
  #failure: string | undefined;

  private constructor(
    readonly freeBytes: FreeBytes,
    readonly minFreeBytes: number,
    readonly onChange: () => void,
  ) {
    this.maxBytesPerTurn = Math.min(64 * MIB, Math.max(MIB, minFreeBytes / 4));
    this.#timer = setInterval(() => void this.#look(), LOOK_INTERVAL_MS).unref();
  }

  static async start(freeBytes: FreeBytes, minFreeBytes: number, onChange: () => void): Promise<SpaceWatch> {
    const watch = new SpaceWatch(freeBytes, minFreeBytes, onChange);
    await watch.#look();
    return watch;
  }

  /** A quarter of the reserve is the most that may be written unseen. A single larger write has its own look. */
  async admit(bytes: number, frees: boolean): Promise<void> {
    this.check(frees);
    this.#admitted += bytes;
    if (this.#admitted > this.minFreeBytes / 4) {
      await this.#look();
      this.check(frees);
      if (bytes > this.#free) throw this.#nearlyFull();
    }
  }

  /** Throws RESOURCE_EXHAUSTED while the store is read-only; of what frees space, while half of the reserve is gone, too. */
  check(frees: boolean): void {
    if (!this.#readOnly) return;
    if (!frees || this.#free < this.minFreeBytes / 2) throw this.#nearlyFull();
  }

  health(): StoreHealth {
    if (!this.#readOnly) return { serving: true, readOnly: false };
    return { serving: true, readOnly: true, detail: this.#nearlyFull().message };
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    this.#admitted = 0;
    try {
      this.#free = Number(await this.freeBytes());
      this.#failure = undefined;
    } catch (error) {
      this.#free = 0;
      this.#failure = error instanceof Error ? error.message : String(error);
    }
    const readOnly = this.#free < this.minFreeBytes;
    if (readOnly === this.#readOnly) return;
    this.#readOnly = readOnly;
    this.onChange();
  }

  #nearlyFull(): ChordError {
    const message =
      this.#failure === undefined
        ? `disk nearly full: ${mib(this.#free)} free, ${mib(this.minFreeBytes)} are kept in reserve${LIMITED}`
        : `the free space of the disk is unknown: ${this.#failure}`;
    return new ChordError('RESOURCE_EXHAUSTED', message);
  }
}

/** The most bytes of a file that this process may write (RLIMIT_FSIZE), as it was at the start. */
const FILE_SIZE_LIMIT = fileSizeLimit();
const LIMITED = Number.isFinite(FILE_SIZE_LIMIT) ? `; a file may have ${mib(FILE_SIZE_LIMIT)} (ulimit -f)` : '';

/** What a data directory may still grow by: on its disk, and within the limit for a file. */
export async function freeBytesOf(directory: string): Promise<number> {
  const { bavail, bsize } = await statfs(directory);
  const free = bavail * bsize;
  if (!Number.isFinite(FILE_SIZE_LIMIT)) return free;
  return Math.min(free, FILE_SIZE_LIMIT - (await stat(join(directory, 'data.mdb'))).size);
}

/** Infinity where there is none, or where the system is not Linux. */
function fileSizeLimit(): number {
  try {
    const [, bytes] = /^Max file size\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8')) ?? [];
    return bytes === undefined ? Number.POSITIVE_INFINITY : Number(bytes);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}

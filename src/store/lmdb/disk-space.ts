/**
 * Watches the free space of the disk and makes the store read-only before the disk is full: a commit that finds the disk
 * full is the one failure that LMDB may not survive. The bytes that are written between two measurements are kept well
 * below the reserve.
 */
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

  /** Admits up to half of the reserve between two measurements. A larger single write causes a measurement of its own. */
  async admit(bytes: number): Promise<void> {
    this.check();
    this.#admitted += bytes;
    if (this.#admitted > this.minFreeBytes / 2) {
      await this.#look();
      this.check();
      if (bytes > this.#free) throw this.#nearlyFull();
    }
  }

  /** Throws RESOURCE_EXHAUSTED while the store is read-only. */
  check(): void {
    if (this.#readOnly) throw this.#nearlyFull();
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
        ? `disk nearly full: ${mib(this.#free)} free, ${mib(this.minFreeBytes)} are kept in reserve`
        : `the free space of the disk is unknown: ${this.#failure}`;
    return new ChordError('RESOURCE_EXHAUSTED', message);
  }
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}

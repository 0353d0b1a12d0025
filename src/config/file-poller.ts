/**
 * Polls files, and reports when one of them has changed: in place, by a rename over it, or as a symbolic link with a
 * new target (the way Kubernetes mounts secrets). The operating system's change events fail for the last two, and on
 * network file systems.
 *
 * A change is reported when it is the same in two polls in a row: a file that is half written, or one new file of a
 * pair, is not read.
 */
import { stat } from 'node:fs/promises';

export interface FilePollerOptions {
  readonly paths: readonly string[];
  /** Called for each change, one call at a time. Must not reject. */
  readonly changed: () => Promise<void>;
  /** Called after each poll. */
  readonly looked?: () => void;
  /** Milliseconds between two polls. */
  readonly interval?: number;
}

const LOOK_INTERVAL = 500;

export class FilePoller {
  /** Signatures at the last poll, and when the files were last read. */
  #seen: string | undefined;
  #read: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(private readonly options: FilePollerOptions) {
    this.#lookLater();
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Reads the files now, after a poll or read that is under way. */
  now<T>(read: () => Promise<T>): Promise<T> {
    return this.#enqueue(async () => {
      this.#read = await this.#signature();
      return read();
    });
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #lookLater(): void {
    if (this.#closed) return;
    const { interval = LOOK_INTERVAL } = this.options;
    this.#timer = setTimeout(() => this.#enqueue(() => this.#look()).then(() => this.#lookLater()), interval).unref();
  }

  async #look(): Promise<void> {
    const signature = await this.#signature();
    const settled = signature === this.#seen;
    this.#seen = signature;
    if (settled && signature !== this.#read && !this.#closed) {
      this.#read = signature; // also when reading fails: the failure is reported once
      await this.options.changed();
    }
    this.options.looked?.();
  }

  #enqueue<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => {});
    return done;
  }

  async #signature(): Promise<string> {
    return (await Promise.all(this.options.paths.map(signatureOf))).join();
  }
}

/** Differs whenever the file has changed; symbolic links are followed. */
async function signatureOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join();
  } catch (error) {
    return `${(error as NodeJS.ErrnoException).code}`;
  }
}

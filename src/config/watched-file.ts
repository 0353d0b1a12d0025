/**
 * A file whose content is kept current, however it is changed: in place, by a rename over it, or as a link that is
 * pointed elsewhere (so Kubernetes does it). Polled, since the system's own notices fail for the last two, and on
 * network file systems. What cannot be read or parsed is told once, and the content before it stays.
 */
import { readFile, stat } from 'node:fs/promises';
import { ChordError } from '../model/errors.js';

/** Milliseconds. A change counts when it has stood from one look to the next: nobody reads half of a file. */
const LOOK_INTERVAL = 500;

export interface WatchedFileOptions<T> {
  readonly path: string;
  /** Throws where the text is not fit for use. */
  readonly parse: (text: string) => T;
  readonly changed: (value: T) => void;
  /** The new content was not fit, and the old one stays. */
  readonly failed: (error: Error) => void;
}

export class WatchedFile<T> {
  /** What the file looked like at the last look, and when it was read last. */
  #seen: string | undefined;
  #read: string | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** One look at a time. */
  #turn: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(
    private readonly options: WatchedFileOptions<T>,
    private text: string,
    public value: T,
  ) {
    this.#later();
  }

  /** @throws ChordError FAILED_PRECONDITION with all that is wrong with the file */
  static async open<T>(options: WatchedFileOptions<T>): Promise<WatchedFile<T>> {
    const text = await readText(options.path);
    return new WatchedFile(options, text, parseText(text, options));
  }

  /** Looks now, and takes what is there. */
  reload(): Promise<void> {
    return this.#inTurn(async () => this.#take(await lookOf(this.options.path)));
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #later(): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => this.#inTurn(() => this.#look()).then(() => this.#later()), LOOK_INTERVAL).unref();
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    this.#turn = this.#turn.then(work);
    return this.#turn;
  }

  async #look(): Promise<void> {
    const look = await lookOf(this.options.path);
    const settled = look === this.#seen;
    this.#seen = look;
    if (settled && look !== this.#read) await this.#take(look);
  }

  async #take(look: string): Promise<void> {
    this.#read = look; // also what fails: it is told once
    try {
      const text = await readText(this.options.path);
      if (text === this.text || this.#closed) return;
      this.value = parseText(text, this.options);
      this.text = text;
    } catch (error) {
      if (!this.#closed) this.options.failed(error as Error);
      return;
    }
    this.options.changed(this.value);
  }
}

/** Differs whenever the file has changed; links are followed. */
async function lookOf(path: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(path, { bigint: true });
    return [dev, ino, size, mtimeNs, ctimeNs].join();
  } catch (error) {
    return `${(error as NodeJS.ErrnoException).code}`;
  }
}

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    throw new ChordError('FAILED_PRECONDITION', `cannot read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

function parseText<T>(text: string, { path, parse }: WatchedFileOptions<T>): T {
  try {
    return parse(text);
  } catch (error) {
    const problems = (error as Error).message.split('\n').map((problem) => `${path}: ${problem}`);
    throw new ChordError('FAILED_PRECONDITION', problems.join('\n'), { cause: error });
  }
}

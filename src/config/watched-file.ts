/**
 * A text file whose parsed content is kept current. Content that cannot be read or parsed is reported once, and the
 * last valid content stays.
 */
import { readFile } from 'node:fs/promises';
import { ChordError } from '../model/errors.js';
import { FilePoller } from './file-poller.js';

export interface WatchedFileOptions<T> {
  readonly path: string;
  /** Throws for invalid text. */
  readonly parse: (text: string) => T;
  readonly changed: (value: T) => void;
  /** The new content was invalid, and the last valid content stays. */
  readonly failed: (error: Error) => void;
}

export class WatchedFile<T> {
  readonly #poller: FilePoller;

  private constructor(
    private readonly options: WatchedFileOptions<T>,
    private text: string,
    public value: T,
  ) {
    this.#poller = new FilePoller({ paths: [options.path], changed: () => this.#take() });
  }

  /** @throws ChordError FAILED_PRECONDITION with all problems of the file */
  static async open<T>(options: WatchedFileOptions<T>): Promise<WatchedFile<T>> {
    const text = await readText(options.path);
    return new WatchedFile(options, text, parseText(text, options));
  }

  /** Reads the file now. */
  reload(): Promise<void> {
    return this.#poller.now(() => this.#take());
  }

  close(): void {
    this.#poller.close();
  }

  async #take(): Promise<void> {
    try {
      const text = await readText(this.options.path);
      if (text === this.text || this.#poller.closed) return;
      this.value = parseText(text, this.options);
      this.text = text;
    } catch (error) {
      if (!this.#poller.closed) this.options.failed(error as Error);
      return;
    }
    this.options.changed(this.value);
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

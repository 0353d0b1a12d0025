/** The output of commands: results to stdout, everything else to stderr. */
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { type Failure, formatFailure } from '../errors.js';
import { formatValue } from './format.js';
import { type Look, paint, type StyledText } from './styled-text.js';

/** Resolves when the stream has passed on all that was written to it, or has failed. */
export function flushed(stream: Writable): Promise<void> {
  // Nothing is written where nothing waits: a reader that has gone would make an error of it.
  // The error of the last write comes in this turn.
  if (stream.writableLength === 0) return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => stream.write('', () => resolve()));
}

export class Output {
  /** Whether stdout is a terminal. */
  readonly terminal = process.stdout.isTTY === true;

  constructor(readonly json: boolean) {}

  /** Prints the form as one line of JSON with --json, otherwise the lines. */
  async print(form: unknown, lines: () => readonly StyledText[]): Promise<void> {
    if (this.json) await this.text(formatValue(form));
    else await this.lines(lines());
  }

  async lines(lines: readonly StyledText[], width?: number): Promise<void> {
    const look: Look = { colour: this.terminal, ...(width !== undefined && { width }) };
    for (const line of lines) await this.text(paint(line, look));
  }

  /** Prints one line unchanged; waits while the reader of stdout is slow. */
  async text(text: string): Promise<void> {
    if (!process.stdout.write(`${text}\n`)) await once(process.stdout, 'drain');
  }

  /** Shows a text on the last line of the terminal, in place of the previous one. */
  transient(text: string): void {
    process.stdout.write(`\r\u001b[K${text}`);
  }

  /** Prints a note to stderr. */
  note(note: string): void {
    this.error({ note }, `chord: ${note}`);
  }

  fail(failure: Failure): void {
    this.error({ error: failure }, formatFailure(failure));
  }

  private error(form: unknown, line: string): void {
    process.stderr.write(`${this.json ? formatValue(form) : line}\n`);
  }
}

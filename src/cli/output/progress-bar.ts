/** A progress bar. */
import type { Output } from './output.js';

export interface Progress {
  readonly total: number;
  readonly done: number;
  readonly failed?: number;
}

/** `[=======>            ]  35 %  350/1000, 2 failed`, at most `columns` wide. */
export function renderProgressBar({ total, done, failed = 0 }: Progress, columns: number): string {
  const share = total === 0 ? 1 : done / total;
  const text = `${String(Math.floor(share * 100)).padStart(4)} %  ${done}/${total}${failed > 0 ? `, ${failed} failed` : ''}`;
  const width = Math.min(40, columns - text.length - 3);
  if (width < 5) return text.trimStart().slice(0, Math.max(0, columns - 1));
  const filled = Math.floor(share * width);
  return `[${'='.repeat(filled)}${filled < width ? '>' : ''}`.padEnd(width + 1).concat(']', text);
}

/** A progress bar on the last line of a terminal; without a terminal nothing is printed. */
export class ProgressBar {
  readonly #shown: boolean;

  constructor(
    private readonly out: Output,
    private readonly what: string,
  ) {
    this.#shown = out.terminal && !out.json;
  }

  show(done: number, total: number): void {
    if (!this.#shown) return;
    const columns = process.stdout.columns ?? 80;
    this.out.transient(`${this.what} ${renderProgressBar({ done, total }, columns - this.what.length - 1)}`);
  }

  clear(): void {
    if (this.#shown) this.out.transient('');
  }
}

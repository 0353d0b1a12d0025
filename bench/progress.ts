/** What runs, since when, and how long it may still take: on stderr, one line that is written over on a terminal. */
import type { Target } from './figures.js';

const MINUTE = 60_000;

export class Progress {
  readonly #begin = performance.now();
  readonly #seconds: number;
  #doneSeconds = 0;
  /** Milliseconds that a second of what is usual takes here, as far as is known. */
  #pace: number;
  #current: { readonly target: Target; readonly begin: number } | undefined;
  #text = '';
  #timer: NodeJS.Timeout | undefined;

  /** `scale`: how much of a target's usual time this run takes. */
  constructor(
    private readonly targets: readonly Target[],
    private readonly scale: number,
  ) {
    this.#seconds = targets.reduce((sum, { seconds }) => sum + seconds, 0);
    this.#pace = scale * 1000;
    this.line(`${targets.length} targets, about ${clock(this.#seconds * scale * 1000)} minutes`);
  }

  /** What it does now: the last update. */
  get doing(): string {
    return this.#text;
  }

  start(target: Target): void {
    this.#current = { target, begin: performance.now() };
    if (!process.stderr.isTTY) this.line(`${this.#heading(target)} ...`);
    else this.#timer = setInterval(() => this.#draw(), 500);
    this.update('starts');
  }

  update(text: string): void {
    this.#text = text;
    this.#draw();
  }

  end(outcome: string): void {
    const { target, begin } = this.#current!;
    clearInterval(this.#timer);
    this.#doneSeconds += target.seconds;
    this.#pace = (performance.now() - this.#begin) / this.#doneSeconds;
    this.#current = undefined;
    this.line(`${this.#heading(target)}: ${outcome} in ${clock(performance.now() - begin)}${this.#outlook()}`);
  }

  /** One that stays. */
  line(text: string): void {
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${text}\n` : `${text}\n`);
  }

  #heading({ id, title }: Target): string {
    const number = this.targets.findIndex((target) => target.id === id) + 1;
    return `[${String(number).padStart(2)}/${this.targets.length}] ${id}: ${title}`;
  }

  #draw(): void {
    if (!process.stderr.isTTY || !this.#current) return;
    const { target, begin } = this.#current;
    const took = `${clock(performance.now() - begin)} of some ${clock(target.seconds * this.scale * 1000)}`;
    const line = `${this.#heading(target)} | ${took} | ${this.#text}${this.#outlook()}`;
    process.stderr.write(`\r\x1b[K${line.slice(0, (process.stderr.columns ?? 80) - 1)}`);
  }

  /** What is left goes as fast as what is done went. */
  #outlook(): string {
    const now = performance.now();
    const { begin = now, target } = this.#current ?? {};
    const after = this.#seconds - this.#doneSeconds - (target?.seconds ?? 0);
    const left = after * this.#pace + Math.max(0, (target?.seconds ?? 0) * this.#pace - (now - begin));
    const elapsed = clock(now - this.#begin);
    return after > 0 || target ? ` | ${elapsed} so far, some ${clock(left)} left` : ` | ${elapsed} in all`;
  }
}

/** 4:05 */
function clock(ms: number): string {
  const minutes = Math.floor(ms / MINUTE);
  return `${minutes}:${String(Math.floor((ms % MINUTE) / 1000)).padStart(2, '0')}`;
}

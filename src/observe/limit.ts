/** So many lines a second, then a word on how many more there would have been: nobody fills a disk with bad calls. */
const LINES_MAX = 20;
const WINDOW = 1000;

export class Limit {
  #admitted = 0;
  #left = 0;
  #window: NodeJS.Timeout | undefined;

  constructor(private readonly more: (left: number) => void) {}

  admits(): boolean {
    this.#window ??= setTimeout(() => this.#end(), WINDOW).unref();
    if (this.#admitted < LINES_MAX) {
      this.#admitted++;
      return true;
    }
    this.#left++;
    return false;
  }

  /** Tells what is left. */
  close(): void {
    clearTimeout(this.#window);
    this.#end();
  }

  #end(): void {
    const left = this.#left;
    this.#admitted = this.#left = 0;
    this.#window = undefined;
    if (left > 0) this.more(left);
  }
}

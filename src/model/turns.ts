/** Turns of the event loop for large works: each work has a turn for itself, in order, and other callbacks run in between. */
export class Turns {
  readonly #waiting: (() => void)[] = [];

  /** Resolves in a later turn, in which it resolves for no other caller. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#waiting.push(resolve) === 1) setImmediate(this.#begin);
    });
  }

  readonly #begin = (): void => {
    this.#waiting.shift()?.();
    if (this.#waiting.length > 0) setImmediate(this.#begin);
  };
}

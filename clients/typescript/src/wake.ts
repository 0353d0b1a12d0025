/** When a page wakes: it is shown again, or the network is back. Elsewhere nothing ever wakes. */

/** Of the global scope of a page; in a worker, of which nothing is shown, `document` is missing. */
interface Scope {
  addEventListener?(name: 'online', listener: () => void): void;
  removeEventListener?(name: 'online', listener: () => void): void;
  readonly document?: {
    readonly visibilityState: string;
    addEventListener(name: 'visibilitychange', listener: () => void): void;
    removeEventListener(name: 'visibilitychange', listener: () => void): void;
  };
}

/** Answers what ends it. */
export function onWake(then: () => void): () => void {
  const scope = globalThis as Scope;
  const shown = () => {
    if (scope.document?.visibilityState === 'visible') then();
  };
  scope.addEventListener?.('online', then);
  scope.document?.addEventListener('visibilitychange', shown);
  return () => {
    scope.removeEventListener?.('online', then);
    scope.document?.removeEventListener('visibilitychange', shown);
  };
}

/**
 * Calls `then` where a peer says nothing for too long. A page that sleeps runs no timers, and the clock that it wakes to is
 * that of the system: so each wake looks at the clock, too.
 */
export class Silence {
  #since: number | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #forget: () => void;

  /** @param limit milliseconds @param timed false: looked at when the page wakes, and at no other time */
  constructor(
    private readonly limit: number,
    private readonly timed: boolean,
    private readonly then: () => void,
  ) {
    this.#forget = onWake(() => this.#look());
  }

  /** From now on the peer should say something. */
  begin(): void {
    this.#since = Date.now();
    if (this.timed) this.#timer = setTimeout(this.then, this.limit);
  }

  /** It has, or the reader takes no more for now. */
  end(): void {
    this.#since = undefined;
    clearTimeout(this.#timer);
  }

  close(): void {
    this.end();
    this.#forget();
  }

  #look(): void {
    if (this.#since !== undefined && Date.now() - this.#since > this.limit) this.then();
  }
}

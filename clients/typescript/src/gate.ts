/** A bound on calls in flight: those beyond it wait for their turn, first come, first served. */
import { status } from './codes.js';
import { ChordError, cancelled } from './errors.js';
import { sleepMax } from './timers.js';

interface Waiting {
  readonly begin: () => void;
  readonly fail: (error: ChordError) => void;
}

export class Gate {
  readonly #waiting = new Set<Waiting>();
  #inFlight = 0;

  constructor(private readonly max: number) {}

  /** Resolves when it is this call's turn, which ends with `leave`. @param end milliseconds since 1970 @throws ChordError */
  enter(end: number, signal: AbortSignal | undefined): Promise<void> | undefined {
    if (this.#inFlight < this.max) {
      this.#inFlight++;
      return undefined;
    }
    return new Promise((resolve, reject) => {
      const settle = (then: () => void) => {
        this.#waiting.delete(waiting);
        clearTimeout(timer);
        signal?.removeEventListener('abort', cancel);
        then();
      };
      const waiting: Waiting = {
        begin: () => settle(resolve),
        fail: (error) => settle(() => reject(error)),
      };
      const cancel = () => waiting.fail(cancelled());
      const late = () => {
        const message = `${this.max} calls of this client were in flight all the time`;
        waiting.fail(new ChordError('DEADLINE_EXCEEDED', message, status.DEADLINE_EXCEEDED));
      };
      const timer = setTimeout(late, sleepMax(end - Date.now()));
      this.#waiting.add(waiting);
      if (signal?.aborted) cancel();
      else signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  leave(): void {
    const [next] = this.#waiting;
    if (next) next.begin();
    else this.#inFlight--;
  }

  /** All that wait fail with this. */
  close(error: ChordError): void {
    for (const waiting of [...this.#waiting]) waiting.fail(error);
  }
}

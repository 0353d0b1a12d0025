/** Calls of what the program gave: listeners, `onError`, loggers. */

/** What a callback or a logger of the program throws is an uncaught exception: nothing waits for it, and its caller goes on. */
export function attempt(call: () => void): void {
  try {
    call();
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

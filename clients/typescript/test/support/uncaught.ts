/** What the client throws for the program as uncaught exceptions, in place of the end of the tests. For serial tests. */
import type { ExecutionContext } from 'ava';

export function catchUncaught(t: ExecutionContext): unknown[] {
  const uncaught: unknown[] = [];
  const { queueMicrotask } = globalThis;
  globalThis.queueMicrotask = (task) =>
    queueMicrotask(() => {
      try {
        task();
      } catch (error) {
        uncaught.push(error);
      }
    });
  t.teardown(() => Object.assign(globalThis, { queueMicrotask }));
  return uncaught;
}

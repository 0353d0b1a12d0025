/** Finite server streams: sends the messages of an async generator, no faster than the client reads them. */
import type { Call } from './call.js';

/** Handles a server-streaming call. The signal is aborted when the call is over and needs no more messages. */
export type StreamHandler<Q, A> = (request: Q, ended: AbortSignal) => AsyncIterable<A>;

/** As handlers of calls. */
export function streaming<K extends string>(
  handlers: Readonly<Record<K, StreamHandler<never, unknown>>>,
): Record<K, (call: Call) => void> {
  const served = Object.entries<StreamHandler<never, unknown>>(handlers).map(([name, answers]) => [
    name,
    (call: Call) => void serveStream(call, answers),
  ]);
  return Object.fromEntries(served);
}

/** Never rejects. A call that was cancelled returns the generator at its next message. */
export async function serveStream<Q, A>(call: Call, answers: StreamHandler<Q, A>): Promise<void> {
  const controller = new AbortController();
  const { signal } = controller;
  const ended = new Promise<void>((resolve) => {
    call.onEnd = () => {
      controller.abort();
      resolve();
    };
  });
  try {
    for await (const answer of answers(call.request as Q, signal)) {
      if (signal.aborted) return;
      // After a cancel no message is sent.
      await Promise.race([new Promise<void>((resolve) => call.write(answer, resolve)), ended]);
      if (signal.aborted) return;
    }
    call.finish();
  } catch (error) {
    call.fail(error);
  }
}

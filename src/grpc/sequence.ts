/** Server streams with an end: messages of an async generator, no faster than the client reads them. */
import type { Call } from './edge.js';

/** Never rejects. A call that was cancelled returns the generator at its next message. */
export async function serveSequence<Q, A>(call: Call, answers: (request: Q) => AsyncIterable<A>): Promise<void> {
  let over = false;
  const ended = new Promise<void>((resolve) => {
    call.onEnd = () => {
      over = true;
      resolve();
    };
  });
  try {
    for await (const answer of answers(call.request as Q)) {
      if (over) return;
      // After a cancel no message leaves any more.
      await Promise.race([new Promise<void>((resolve) => call.write(answer, resolve)), ended]);
      if (over) return;
    }
    call.finish();
  } catch (error) {
    call.fail(error);
  }
}

/** Server streams with an end: messages of an async generator, no faster than the client reads them. */
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { ErrorMapper } from './server.js';

type Call<Q, A> = ServerWritableStream<Q, A>;

/** Never rejects. A call that was cancelled returns the generator at its next message. */
export async function serveSequence<Q, A>(
  call: Call<Q, A>,
  answers: (request: Q) => AsyncIterable<A>,
  toStatus: ErrorMapper,
): Promise<void> {
  let over = false;
  const ended = new Promise<void>((resolve) => {
    const end = () => {
      over = true;
      resolve();
    };
    // Whichever way a call ends, one of these says so.
    for (const event of ['cancelled', 'close', 'error']) call.on(event, end);
  });
  try {
    for await (const answer of answers(call.request)) {
      if (over) return;
      // After a cancel `drain` may never come.
      if (!call.write(answer)) await Promise.race([new Promise((resolve) => call.once('drain', resolve)), ended]);
      if (over) return;
    }
    call.end();
  } catch (error) {
    if (!over) call.emit('error', toStatus(error));
  }
}

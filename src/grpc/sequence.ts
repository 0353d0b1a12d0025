/** Server streams with an end: messages of an async generator, no faster than the client reads them. */
import type { ServerWritableStream } from '@grpc/grpc-js';
import type { Call, ErrorMapper } from './edge.js';

/** Never rejects. A call that was cancelled returns the generator at its next message. */
export async function serveSequence<Q, A>(
  rpc: ServerWritableStream<Q, A>,
  call: Call,
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
    for (const event of ['cancelled', 'close', 'error']) rpc.on(event, end);
  });
  const fail = (error: unknown): void => {
    if (!over) rpc.emit('error', toStatus(error));
  };
  call.close = fail;
  try {
    for await (const answer of answers(rpc.request)) {
      if (over) return;
      // After a cancel `drain` may never come.
      if (!rpc.write(answer)) await Promise.race([new Promise((resolve) => rpc.once('drain', resolve)), ended]);
      if (over) return;
    }
    rpc.end();
  } catch (error) {
    fail(error);
  }
}

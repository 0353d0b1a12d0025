/** Clients that watch and then read no more: whoever starts this process stops it (SIGSTOP) when it is ready. */
import { open } from './load.js';
import { eventOf, WATCH, watchRequest } from './requests.js';

const [address, contextId, count] = process.argv.slice(2);
const connections = await open(address!, 10);
const caughtUp = Array.from({ length: Number(count) }, (_, n) => {
  return new Promise<void>((resolve) => {
    const onMessage = (bytes: Buffer) => eventOf(bytes).$case === 'caughtUp' && resolve();
    connections[n % connections.length]!.stream(WATCH, onMessage, watchRequest(contextId!));
  });
});
await Promise.all(caughtUp);
process.stdout.write('asleep: ready\n');

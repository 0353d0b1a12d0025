/**
 * Clients that watch and then read no more: whoever starts this process stops it (SIGSTOP) when it is ready. Woken, it
 * says what it took until each of its clients holds a version.
 */
import { open } from './load.js';
import { Followers } from './streams.js';

const [address, contextId, count, version] = process.argv.slice(2);
const connections = await open(address!, 10);
const followers = await Followers.open(connections, Number(count), { idOf: () => contextId! });
followers.forget();
const held = followers.reach(() => Number(version));
process.stdout.write('asleep: ready\n');
await held;
process.stdout.write(`${JSON.stringify({ messages: followers.receipts.length, bytes: followers.bytes })}\n`);

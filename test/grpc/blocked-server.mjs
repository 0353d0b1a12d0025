/** A server in a worker whose event loop is blocked on request: `{ block: ms }`. Posts its address, then `unblocked`. */
import { parentPort } from 'node:worker_threads';
import { startChord } from '../../dist/index.js';

const keepalive = { keepaliveInterval: 1000, keepaliveTimeout: 1000 };
const chord = await startChord({ backend: 'memory', listen: '127.0.0.1:0', logLevel: 'silent', ...keepalive });
parentPort.postMessage(chord.address);
parentPort.on('message', ({ block }) => {
  const end = performance.now() + block;
  while (performance.now() < end);
  parentPort.postMessage('unblocked');
});

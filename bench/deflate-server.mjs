/**
 * What an application does without deltas: it sends each whole document over a WebSocket that compresses with context
 * (permessage-deflate), so that what was in the last document costs little. /write takes documents, and answers when each
 * has been handed to all who are connected to /watch. Nothing is decoded, and nothing is stored.
 */
import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const options = { noServer: true, maxPayload: 1 << 26 };
const writers = new WebSocketServer(options);
const watchers = new WebSocketServer({
  ...options,
  perMessageDeflate: { serverNoContextTakeover: false, clientNoContextTakeover: false, threshold: 0 },
});
let last;
watchers.on('connection', (watcher) => last && watcher.send(last, { binary: false }));
writers.on('connection', (writer) => {
  writer.on('message', (document) => {
    last = document;
    for (const watcher of watchers.clients) watcher.send(document, { binary: false });
    writer.send('');
  });
});
const server = createServer();
server.on('upgrade', (request, socket, head) => {
  const sockets = request.url === '/write' ? writers : watchers;
  sockets.handleUpgrade(request, socket, head, (each) => sockets.emit('connection', each, request));
});
process.on('SIGTERM', () => process.exit(0));
server.listen(0, '127.0.0.1', 4096, () => {
  process.stdout.write(`deflate: serving on 127.0.0.1:${server.address().port}\n`);
});

/**
 * The ceiling of streams on this runtime: node:http2 alone. It understands just enough of gRPC for the load generator:
 * /bench.Echo/Prepare, Listen and Broadcast, as echo-server.mjs has them.
 */
import { createServer } from 'node:http2';

const EMPTY = Buffer.alloc(5);
const HEADERS = { ':status': 200, 'content-type': 'application/grpc' };
const streams = new Set();
let prepared = EMPTY;

const server = createServer({ settings: { maxConcurrentStreams: 10_000 } });
server.on('stream', (stream, { ':path': path }) => {
  stream.on('error', () => {});
  if (path === '/bench.Echo/Listen') {
    streams.add(stream);
    stream.on('close', () => streams.delete(stream));
    stream.respond(HEADERS);
    stream.write(EMPTY);
    return;
  }
  const body = [];
  stream.on('data', (chunk) => body.push(chunk));
  stream.on('end', () => {
    if (path === '/bench.Echo/Prepare') prepared = Buffer.concat(body);
    else for (const each of streams) each.write(prepared);
    stream.respond(HEADERS, { waitForTrailers: true });
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
    stream.end(EMPTY);
  });
});
process.on('SIGTERM', () => process.exit(0));
server.listen(0, '127.0.0.1', 4096, () => {
  process.stdout.write(`http2: serving on 127.0.0.1:${server.address().port}\n`);
});

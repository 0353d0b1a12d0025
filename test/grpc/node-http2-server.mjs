/**
 * A server of http2 for node-http2.test.ts; with the argument `patchSession`, mended. `/collect` collects all garbage, `/old` answers
 * how many bytes the old generation takes.
 */
import { createServer } from 'node:http2';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { patchSession } from '../../src/grpc/node-http2.ts';

setFlagsFromString('--expose-gc');
const { gc } = await import('node:vm').then(({ runInNewContext }) => ({ gc: runInNewContext('gc') }));
const server = createServer();
server.on('stream', (stream, headers) => {
  if (process.argv[2] === 'patchSession') patchSession(stream.session);
  const path = headers[':path'];
  if (path === '/collect') gc();
  stream.resume();
  stream.respond();
  const old = getHeapSpaceStatistics().find((space) => space.space_name === 'old_space').space_used_size;
  // Slow enough that others come meanwhile.
  setImmediate(() => stream.end(path === '/old' ? String(old) : '.'));
});
server.listen(0, '127.0.0.1', () => console.log(server.address().port));

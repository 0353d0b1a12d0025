/** The calls that have no method of their own, as the example makes them. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { cleanup, transfer } from '../src/grpc.js';
import { ChordError } from '../src/index.js';
import { connected, startServer } from './support/server.js';

const EXAMPLE = fileURLToPath(new URL('../examples/every-call.ts', import.meta.url));

test('the example', async (t) => {
  const exports = await mkdtemp(join(tmpdir(), 'chord-exports-'));
  t.teardown(() => rm(exports, { recursive: true }));
  const { address } = await startServer(t, '--export-url', `file:${exports}`);
  const { stdout } = await promisify(execFile)(process.execPath, ['--import=tsx', EXAMPLE, address]);
  t.deepEqual(stdout.trimEnd().split('\n'), [
    'patch [{"op":"add","path":"/members/1","value":"bob"}]',
    'was {"topic":"daily","members":["ann"]}',
    'reverted 3 {"topic":"daily","members":["ann"]}',
    'due 0',
    'exported 0 of 1',
    'exported 1 of 1',
    'restored 3',
  ]);
});

test('errors are those of the client, of calls and of streams', async (t) => {
  const client = connected(t, await startServer(t));
  const refused = { instanceOf: ChordError, message: /./ };
  const call = await t.throwsAsync<ChordError>(client.call(transfer.exportContext, { contextId: 'a' }), refused);
  t.is(call.reason, 'FAILED_PRECONDITION');
  const stream = await t.throwsAsync<ChordError>(client.stream(transfer.exportContexts, {}).next(), refused);
  t.is(stream.reason, 'FAILED_PRECONDITION');
  const unsendable = client.call(cleanup.runCleanup, { limit: -1 });
  t.is((await t.throwsAsync<ChordError>(unsendable, refused)).reason, 'INVALID_ARGUMENT');
});

/** The examples' own tests, as their readers run them; and the service of another process. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { providerLaws } from '../../src/testing/provider.js';
import { storeLaws } from '../../src/testing/store.js';
import { openRemote } from '../../src/transfer/providers/grpc.js';
import { testLaws } from '../support/laws.js';

const EXAMPLES = fileURLToPath(new URL('../../examples/', import.meta.url));

test('the store and the external store keep their contracts', async (t) => {
  const child = spawn(process.execPath, ['--test', '--test-reporter=tap', EXAMPLES], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'close')]);
  t.is(code, 0, output);
  t.is(output.match(/^# pass (\d+)$/m)?.[1], `${storeLaws.length + providerLaws.length}`, output);
});

testLaws(test, 'the external store behind gRPC', providerLaws, async () => {
  const directory = await mkdtemp(join(tmpdir(), 'chord-service-'));
  const child = spawn(process.execPath, [join(EXAMPLES, 'external-store-service.js'), '127.0.0.1:0', directory]);
  const kill = () => child.kill('SIGKILL');
  process.once('exit', kill);
  child.stderr.pipe(process.stderr);
  const { value: line } = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  const port = /^serving on port (\d+)/.exec(line)?.[1];
  const open = () => openRemote(`grpc://127.0.0.1:${port}`, 60_000);
  const provider = open();
  return {
    provider,
    reopen: async () => open(),
    destroy: async () => {
      await provider.close();
      kill();
      await once(child, 'close');
      process.off('exit', kill);
      await rm(directory, { recursive: true });
    },
  };
});

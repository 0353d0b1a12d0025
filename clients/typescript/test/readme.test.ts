/** The first programs of the README do what they say. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { connected, startServer } from './support/server.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

test('the quickstart, and conditions, edits, waits', async (t) => {
  const server = await startServer(t, '--backend', 'memory');
  const readme = readFileSync(`${ROOT}README.md`, 'utf8');
  const [start, conditions] = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map(([, block]) => block!);
  const program = `${start}${conditions}
    console.log(JSON.stringify([value, result.value, heldAt, expiries]));
    await client.close();`.replace('127.0.0.1:50051', server.address);
  const args = ['--import=tsx', '--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT });
  t.deepEqual(JSON.parse(stdout), [{ topic: 'weekly', members: ['ann'] }, { status: 'ready' }, 1, []]);
  const { value } = await connected(t, server).get('room:1');
  t.deepEqual(value, { topic: 'never', members: ['ann'], seats: 7 });
});

/** The first programs of the README do what they say. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { connected, startServer } from './support/server.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

test('the quickstart, and conditions, edits, waits, batches, the past, presence', async (t) => {
  const server = await startServer(t, '--backend', 'memory');
  const readme = readFileSync(`${ROOT}README.md`, 'utf8');
  const [start, conditions, ...more] = [...readme.matchAll(/^```ts\n(.*?)^```/gms)].map(([, block]) => block!);
  const batches = more.find((block) => block.includes('client.batch('));
  const presence = more.find((block) => block.includes('client.presence('));
  const program = `${start}${conditions}
    const edited = await client.get('room:1');
    ${batches}
    ${presence}
    console.log(JSON.stringify([value, result.value, heldAt, expiries, edited.value, before.value, members.changed]));
    await client.close();`.replace('127.0.0.1:50051', server.address);
  const args = ['--import=tsx', '--input-type=module', '--eval', program];
  const { stdout } = await promisify(execFile)(process.execPath, args, { cwd: ROOT });
  const edited = { topic: 'never', members: ['ann'], seats: 7 };
  const daily = { topic: 'daily', members: [] };
  const told = [{ topic: 'weekly', members: ['ann'] }, { status: 'ready' }, 1, [], edited, daily, true];
  t.deepEqual(JSON.parse(stdout), told);
  const { value } = await connected(t, server).get('room:1');
  t.deepEqual(value, daily);
  t.deepEqual((await connected(t, server).get('lobby')).value, {});
});

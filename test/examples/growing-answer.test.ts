/** The example of a growing text, and the page that shows it from the command line. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { startServer } from '../support/cli.js';

const run = promisify(execFile);
const EXAMPLE = fileURLToPath(new URL('../../examples/growing-answer.js', import.meta.url));
const BIN = fileURLToPath(new URL('../../node_modules/.bin', import.meta.url));
const PAGE = fileURLToPath(new URL('../../docs/text.md', import.meta.url));

test('three viewers have the text; what each of them gets grows with what it lacks', async (t) => {
  const server = await startServer('--listen', '127.0.0.1:0', '--backend', 'memory');
  t.teardown(() => server.end('SIGKILL'));
  const { stdout } = await run(process.execPath, [EXAMPLE, server.address]);
  const [written, ...viewers] = stdout.trimEnd().split('\n');
  const text = Number(/^written: 300 words, (\d+) bytes$/.exec(written!)?.[1]);
  const counts = viewers.map((line) => {
    const [, name, ...numbers] = /^(\w+): (\d+) document, (\d+) inserts, (\d+) bytes$/.exec(line) ?? [];
    return [name, ...numbers.map(Number)] as [string, number, number, number];
  });
  t.deepEqual(
    counts.map(([name, documents, inserts]) => [name, documents, inserts]),
    [
      ['quick', 1, 299],
      ['slow', 1, 6],
      ['late', 1, counts[2]![2]],
    ],
  );
  const [quick, slow, late] = counts as [(typeof counts)[0], (typeof counts)[0], (typeof counts)[0]];
  t.true(late[2] >= 148 && late[2] <= 150, `${late[2]}`);
  const overhead = 150;
  t.true(quick[3] < text + 300 * overhead, stdout);
  t.true(slow[3] < text + 7 * overhead, stdout);
  t.true(late[3] < text + 151 * overhead, stdout);
});

test('what docs/text.md shows is so', async (t) => {
  const server = await startServer('--listen', '127.0.0.1:0', '--backend', 'memory');
  t.teardown(() => server.end('SIGKILL'));
  const [, session] = /```console\n(.*?)```/s.exec(readFileSync(PAGE, 'utf8')) ?? [];
  const steps = session!.split(/^\$ /m).slice(1);
  t.true(steps.length >= 5);
  const plain = (text: string) => text.replaceAll(/\b\w{8}:(\d+):\w{8}\b/g, 'EPOCH:$1:DIGEST');
  for (const step of steps) {
    const [command, ...shown] = step.split('\n');
    const env = { ...process.env, PATH: `${BIN}:${process.env.PATH}` };
    const { stdout } = await run('sh', ['-c', `${command} --address ${server.address}`], { env });
    t.is(plain(stdout), plain(shown.join('\n')), command);
  }
});

/** Members that expire, from the command line. The example of docs/expiring.md runs here, as it stands there. */
import { readFile } from 'node:fs/promises';
import test from 'ava';
import { chord, type Server, startServer } from '../support/cli.js';

let server: Server;

test.before(async () => {
  server = await startServer('--backend', 'memory', '--listen', '127.0.0.1:0');
});
test.after.always(() => server?.end('SIGTERM'));

const run = (...args: string[]) => chord(['--address', server.address, ...args]);

test('update --ttl-of, touch --path, get --expiries, log', async (t) => {
  const json = async (...args: string[]) => JSON.parse((await run('--json', ...args)).stdout);
  const written = await run(
    'update',
    'a',
    '--allow-missing',
    '--set',
    'm.ann={}',
    '--set',
    'm.bob={}',
    '--ttl-of',
    'm.ann=1h',
  );
  t.is(written.code, 0, written.stderr);
  const [expiry, ...others] = (await json('get', 'a', '--expiries')).expiries;
  t.deepEqual([expiry.path, others], [['m', 'ann'], []]);
  t.regex((await run('get', 'a', '--expiries')).stdout, /^m\.ann expires \d{4}-\S+Z$/m);
  t.is((await run('touch', 'a', '--path', 'm.ann', '--ttl', '2h')).code, 0);
  const [later] = (await json('get', 'a', '--expiries')).expiries;
  t.true(Date.parse(later.expiresAt) - Date.parse(expiry.expiresAt) >= 3_590_000);
  const refused = await run('touch', 'a', '--path', 'm.bob');
  t.not(refused.code, 0);
  t.regex(refused.stderr, /\["m","bob"\] does not expire, or has expired/);
  const usage = await run('update', 'a', '--remove', 'm.ann', '--ttl-of', 'm.ann=1h');
  t.regex(usage.stderr, /--ttl-of: no --set sets m\.ann/);

  const batch =
    '[{"update":"b","allowMissing":true,"mutations":[{"set":"x","value":1,"ttl":"1h"}]},{"touch":"a","paths":["m.ann"]}]';
  t.is((await chord(['--address', server.address, 'batch', '-'], batch)).code, 0);
  t.is((await json('get', 'b', '--expiries')).expiries.length, 1);
});

test('the example in the documentation', async (t) => {
  const page = await readFile(new URL('../../docs/expiring.md', import.meta.url), 'utf8');
  const [, example = ''] = /```console\n(.*?)```/s.exec(page) ?? [];
  const steps = example
    .split(/^\$ /m)
    .slice(1)
    .map((step) => step.split('\n'));
  t.true(steps.length >= 4);
  for (const [command = '', ...lines] of steps) {
    const expected = lines.filter((line) => line !== '').join('\n');
    const args = command
      .replace(/^chord /, '')
      .match(/'[^']*'|\S+/g)!
      .map((word) => word.replaceAll("'", ''));
    const { stdout, stderr } = await run(...args);
    t.is(stderr, '');
    t.regex(stdout.trimEnd(), new RegExp(`^${pattern(expected)}$`), command);
  }
});

/** Positions and times are others each time. */
function pattern(text: string): string {
  const escaped = text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
  return escaped
    .replace(/[\w-]{8}:(\d+):[\w-]{8}/g, '[\\w-]{8}:$1:[\\w-]{8}')
    .replace(/\d{4}-\d\d-\d\dT[\d:\\.]+Z/g, '\\S+Z');
}

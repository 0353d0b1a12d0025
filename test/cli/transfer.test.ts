import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { renderProgressBar } from '../../src/cli/output/progress-bar.js';
import { chord, type Server, startServer } from '../support/cli.js';

let server: Server;
let directory: string;

test.before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'chord-export-'));
  server = await startServer(
    ...['--backend', 'memory', '--listen', '127.0.0.1:0', '--export-url', `file:${directory}`],
  );
});
test.after.always(async () => {
  await server?.end('SIGTERM');
  await rm(directory, { recursive: true });
});

const POSITION = '[\\w-]{8}:\\d+:[\\w-]{8}';

function run(...args: string[]) {
  return chord(['--address', server.address, ...args]);
}

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  if (code !== 0 || stderr !== '') throw new Error(`${args.join(' ')}: exit ${code}: ${stderr}`);
  return stdout.trimEnd();
}

test.serial('one context there and back', async (t) => {
  await ok('set', 'one', '{"n":1}');
  await ok('set', 'one', '{"n":2}');
  t.regex(await ok('export', 'one'), new RegExp(`^one exported at ${POSITION}$`));
  t.regex(await ok('export', 'one', '--history'), new RegExp(`^one exported with 2 deltas at ${POSITION}$`));
  const { position } = JSON.parse(await ok('get', 'one', '--json'));
  const refused = await run('restore', 'one');
  t.is(refused.code, 1);
  t.regex(refused.stderr, /^chord: ALREADY_EXISTS: context "one" already exists/);
  const restored = JSON.parse(await ok('restore', 'one', '--overwrite', '--json'));
  t.like(restored, { contextId: 'one', position, deltas: 2 });
  t.is(new Date(restored.exportedAt).toISOString(), restored.exportedAt);
});

test.serial('a prefix, one line for each; what fails makes the command fail', async (t) => {
  for (const n of [1, 2, 3]) await ok('set', `room:${n}`, `{"n":${n}}`);
  const lines = (await ok('export', 'room:*')).split('\n');
  t.is(lines.pop(), 'exported 3 contexts');
  for (const line of lines) t.regex(line, new RegExp(`^room:[123] exported at ${POSITION}$`));
  for (const n of [1, 2]) await ok('delete', `room:${n}`);
  await writeFile(join(directory, 'room%3a2.json'), 'half');

  const { code, stdout, stderr } = await run('restore', 'room:*', '--json');
  t.is(code, 1);
  t.regex(JSON.parse(stderr).error.message, /^2 of 3 contexts were not restored$/);
  const forms = stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  const told = forms.map(({ contextId, failure }) => `${contextId} ${failure?.reason ?? 'done'}`);
  t.deepEqual(told.sort(), ['room:1 done', 'room:2 DATA_LOSS', 'room:3 ALREADY_EXISTS']);
  t.is(await ok('restore', 'none*'), 'restored 0 contexts');
});

test('the bar fits its terminal', (t) => {
  const at = (done: number, columns: number, failed = 0) => renderProgressBar({ total: 1000, done, failed }, columns);
  t.is(at(350, 80), `[${'='.repeat(14)}>${' '.repeat(25)}]  35 %  350/1000`);
  t.is(at(1000, 80, 2), `[${'='.repeat(40)}] 100 %  1000/1000, 2 failed`);
  t.is(renderProgressBar({ total: 0, done: 0, failed: 0 }, 80), `[${'='.repeat(40)}] 100 %  0/0`);
  for (let columns = 0; columns < 100; columns++) t.true(at(999, columns, 999).length <= columns);
});

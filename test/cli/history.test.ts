/** `get --version`, `log`, `diff`, `revert`, `--path` and `--format`, each as a process. */
import test from 'ava';
import { chord, Running, type Server, startServer } from '../support/cli.js';

let server: Server;

test.before(async () => {
  server = await startServer('--backend', 'memory', '--listen', '127.0.0.1:0');
});
test.after.always(() => server?.end('SIGTERM'));

const run = (...args: string[]) => chord(['--address', server.address, ...args]);

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  if (code !== 0 || stderr !== '') throw new Error(`${args.join(' ')}: exit ${code}: ${stderr}`);
  return stdout.trimEnd();
}

const json = async (...args: string[]) => JSON.parse(await ok('--json', ...args));

async function fill(id: string): Promise<void> {
  await ok('set', id, '{"topic":"daily","list":[1,2]}');
  await ok('update', id, '{"topic":"weekly","n":1}');
  await ok('update', id, '--remove', 'n', '--append', 'list=3');
}

test('get --version, log, diff, revert', async (t) => {
  await fill('a');
  t.deepEqual((await json('get', 'a', '--version', '2')).value, { topic: 'weekly', list: [1, 2], n: 1 });
  t.deepEqual((await json('get', 'a')).value, { topic: 'weekly', list: [1, 2, 3] });

  const TIME = '\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z';
  const log = (await ok('log', 'a')).split('\n');
  t.regex(log[0]!, new RegExp(`^3  ${TIME}  \\+0 ~1 -1  (n, list|list, n)$`));
  t.regex(log[1]!, new RegExp(`^2  ${TIME}  \\+1 ~1 -0  (topic, n|n, topic)$`));
  t.regex(log[2]!, new RegExp(`^1  ${TIME}  \\+2 ~0 -0  topic, list$`));
  t.is(log.length, 3);
  const limited = (await ok('--json', 'log', 'a', '--limit', '2')).split('\n').map((line) => JSON.parse(line));
  t.deepEqual(
    limited.map(({ version, added, modified, removed }) => [version, added, modified, removed]),
    [
      [3, 0, 1, 1],
      [2, 1, 1, 0],
    ],
  );

  t.deepEqual((await ok('diff', 'a', '1', '2', '--old-values')).split('\n'), [
    '~ topic = "weekly" (was "daily")',
    '+ n = 1',
  ]);
  t.deepEqual((await ok('diff', 'a', '2', '1')).split('\n'), ['~ topic = "daily"', '- n']);
  t.like(await json('diff', 'a', '1'), {
    changes: [
      { action: 'modified', path: ['topic'], value: 'weekly' },
      { action: 'spliced', path: ['list'], splice: { index: 2, removedCount: 0, inserted: [3] } },
    ],
  });

  t.regex(await ok('revert', 'a', '1'), /^a changed, now at [\w-]{8}:4:/);
  t.deepEqual((await json('get', 'a')).value, { topic: 'daily', list: [1, 2] });
  const above = await run('get', 'a', '--version', '9');
  t.is(above.code, 1);
  t.regex(above.stderr, /NOT_FOUND: "a" has no version 9: the current version is 4/);
  t.is((await run('diff', 'a', '0')).code, 2);
  t.regex(await ok('--version'), /^\d+\.\d+\.\d+$/);
});

test('--annotate, in single writes and in batches', async (t) => {
  await ok('set', 'noted', '{"n":1}', '--annotate', 'ticket=7', '--annotate', 'why=a=b \u001b[31m');
  const batch = '{"update":"noted","changes":{"n":2},"annotations":{"ticket":"8"}}';
  t.is((await chord(['--address', server.address, 'batch', '-'], batch)).code, 0);
  const [second, first] = (await ok('log', 'noted')).split('\n');
  t.regex(second!, / {2}n {2}ticket=8$/);
  t.true(first!.endsWith('  n  ticket=7  why="a=b \\u001b[31m"'), first);
  const forms = (await ok('--json', 'log', 'noted')).split('\n').map((line) => JSON.parse(line));
  t.deepEqual(
    forms.map(({ author, annotations }) => [author, annotations]),
    [
      [undefined, { ticket: '8' }],
      [undefined, { ticket: '7', why: 'a=b \u001b[31m' }],
    ],
  );
  t.is((await run('set', 'noted', '{}', '--annotate', 'ticket')).code, 2);
  t.is((await run('delete', 'noted', '--annotate', 'ticket=9')).code, 0);
});

test('blame prints a tree, and one object a line with --json', async (t) => {
  await ok('set', 'tree', '{"users":{"ann":{"n":1},"bob":{}},"list":[1,2],"none":[]}', '--annotate', 'why=start');
  await ok('update', 'tree', '--append', 'list=3', '--set', 'users.ann.n=2');
  const TIME = '\\d{4}-\\d\\d-\\d\\dT[\\d:.]+Z';
  const blank = ' '.repeat(1 + 2 + 24 + 2 + 1);
  const lines = (await ok('blame', 'tree')).split('\n').map((line) => line.replace(new RegExp(TIME), 'T'.repeat(24)));
  const time = 'T'.repeat(24);
  t.deepEqual(lines, [
    `1  ${time}  -  list[0-1] = [1,2]  why=start`,
    `2  ${time}  -  list[2] = [3]`,
    `1  ${time}  -  none = []  why=start`,
    `${blank}  users`,
    `${blank}    ann`,
    `2  ${time}  -      n = 2`,
    `1  ${time}  -    bob = {}  why=start`,
  ]);
  const [line, ...others] = (await ok('--json', 'blame', 'tree', 'users.ann', 'absent')).split('\n');
  t.deepEqual(others, []);
  t.like(JSON.parse(line!), { path: ['users', 'ann', 'n'], version: 2, value: 2 });
  const run = JSON.parse((await ok('--json', 'blame', 'tree', 'list')).split('\n')[0]!);
  t.like(run, { path: ['list'], index: 0, count: 2, version: 1, annotations: { why: 'start' }, value: [1, 2] });
});

test('--path and --format', async (t) => {
  await ok(
    'set',
    'b',
    '{"users":{"ann":{"n":1},"bob":{"n":1}},"text":"some words more than a few, lest the document be smaller"}',
  );
  t.deepEqual((await json('sync', 'b', '--path', 'users.ann')).value, { users: { ann: { n: 1 } } });
  const watch = new Running([
    '--address',
    server.address,
    '--json',
    'watch',
    'b',
    '--path',
    'users.ann',
    '--path',
    '["x"]',
    '--format',
    'json_patch',
  ]);
  t.teardown(() => watch.end('SIGTERM'));
  t.like(await watch.json(), { event: 'full', value: { users: { ann: { n: 1 } } } });
  t.like(await watch.json(), { event: 'caughtUp' });
  await ok('update', 'b', '{"users":{"bob":{"n":2}}}');
  t.like(await watch.json(), { event: 'delta', formatted: [] });
  await ok('update', 'b', '{"users":{"ann":{"n":2},"bob":{"n":3}},"x":true}');
  t.like(await watch.json(), {
    event: 'delta',
    formatted: [
      { op: 'replace', path: '/users/ann/n', value: 2 },
      { op: 'add', path: '/x', value: true },
    ],
  });
  t.deepEqual((await ok('deltas', 'b', '--from', '2', '--format', 'merge_patch')).split('\n').slice(1), [
    '{"users":{"ann":{"n":2},"bob":{"n":3}},"x":true}',
  ]);
  await ok('update', 'b', '{"x":null}');
  const synced = await ok('sync', 'b', '--known', '3', '--format', 'merge_patch');
  t.is(synced.split('\n')[1], '! a merge patch cannot store null, as at ["x"]');
  const unknown = await run('watch', 'b', '--format', 'yaml');
  t.is(unknown.code, 1);
  t.regex(unknown.stderr, /"yaml" is unknown; known are changes, flat, json_patch, merge_patch/);
});

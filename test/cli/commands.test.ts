/** Every client command against a server, each side a process of its own. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { chord, type Server, startServer } from '../support/cli.js';

let server: Server;

test.before(async () => {
  server = await startServer('--backend', 'memory', '--listen', '127.0.0.1:0');
});
test.after.always(() => server?.end('SIGTERM'));

const POSITION = '[\\w-]{8}:(\\d+):[\\w-]{8}';

function run(...args: string[]) {
  return chord(['--address', server.address, ...args]);
}

async function ok(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  if (code !== 0 || stderr !== '') throw new Error(`${args.join(' ')}: exit ${code}: ${stderr}`);
  return stdout.trimEnd();
}

async function json(...args: string[]) {
  return JSON.parse(await ok('--json', ...args));
}

test('set says where the context stands, get prints the document', async (t) => {
  t.regex(await ok('set', 'set:1', '{"topic":"daily","n":[1]}'), new RegExp(`^set:1 changed, now at ${POSITION}$`));
  t.regex(await ok('set', 'set:1', '{"topic":"daily","n":[1]}'), new RegExp(`^set:1 unchanged at ${POSITION}$`));
  t.is(await ok('get', 'set:1'), '{\n  "topic": "daily",\n  "n": [\n    1\n  ]\n}');
  const got = await json('get', 'set:1');
  t.like(got, { contextId: 'set:1', value: { topic: 'daily', n: [1] } });
  t.regex(got.position, new RegExp(`^${POSITION}$`));
  t.is(new Date(got.updatedAt).toISOString(), got.updatedAt);
  t.false('expiresAt' in got);
  t.deepEqual(await json('set', 'set:1', '{"topic":"daily","n":[1]}'), {
    contextId: 'set:1',
    position: got.position,
    changed: false,
  });
});

test('documents come from files and standard input too', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chord-cli-'));
  t.teardown(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'doc.json'), '{"from":"file"}');
  await ok('set', 'input:1', `@${join(folder, 'doc.json')}`);
  t.deepEqual((await json('get', 'input:1')).value, { from: 'file' });
  const piped = await chord(['set', 'input:1', '-'], '{"from":"stdin"}', { CHORD_ADDRESS: server.address });
  t.is(piped.code, 0, piped.stderr);
  t.deepEqual((await json('get', 'input:1')).value, { from: 'stdin' });
});

test('update merges, then applies its flags in their order, and prints what changed', async (t) => {
  await ok('set', 'update:1', '{"topic":"daily","users":{"bob":1},"list":[1]}');
  const lines = await ok(
    ...['update', 'update:1', '{"topic":"weekly"}', '--set', 'n=5', '--increment', 'n=2', '--set', '["a.b","c"]=null'],
    ...['--remove', 'users.bob', '--append', 'list={"x":1}', '--delta', '--old-values'],
  );
  const [summary, ...changes] = lines.split('\n');
  t.regex(summary!, new RegExp(`^update:1 changed, now at ${POSITION}$`));
  t.deepEqual(changes.sort(), [
    '+ ["a.b"] = {"c":null}',
    '+ n = 7',
    '- users.bob (was 1)',
    '~ list[1] +1 = [{"x":1}]',
    '~ topic = "weekly" (was "daily")',
  ]);
  const { value } = await json('get', 'update:1');
  t.deepEqual(value, { topic: 'weekly', users: {}, list: [1, { x: 1 }], n: 7, 'a.b': { c: null } });
  const answer = await json('update', 'update:1', '{"topic":"daily"}', '--delta');
  t.deepEqual(answer.delta.changes, [{ action: 'modified', path: ['topic'], value: 'daily' }]);
});

test('update of a missing context needs leave', async (t) => {
  const { code, stdout, stderr } = await run('update', 'update:none', '{}');
  t.is(code, 1);
  t.is(stdout, '');
  t.regex(stderr, /^chord: NOT_FOUND: .+\n$/);
  t.is((await json('update', 'update:none', '{"a":1}', '--allow-missing')).changed, true);
});

test('an unmet expectation fails and says where the context stands', async (t) => {
  const { position } = await json('set', 'expected:1', '{"n":1}', '--expected', 'absent');
  t.true((await json('set', 'expected:1', '{"n":2}', '--expected', position)).changed);
  const { position: current } = await json('get', 'expected:1');
  const failed = await run('set', 'expected:1', '{"n":3}', '--expected', position);
  t.is(failed.code, 1);
  t.regex(failed.stderr, /^chord: ABORTED: .+\n$/);
  t.true(failed.stderr.includes(current));
  const machine = await run('set', 'expected:1', '{"n":3}', '--expected', '1', '--json');
  t.like(JSON.parse(machine.stderr).error, { reason: 'ABORTED', current });
  const missing = await run('delete', 'expected:none', '--expected', position, '--json', '--allow-missing');
  t.like(JSON.parse(missing.stderr).error, { reason: 'ABORTED', current: null });
});

test('a repeated request id writes nothing and answers what the first did', async (t) => {
  const first = await json('update', 'request:1', '--increment', 'n=1', '--allow-missing', '--request-id', 'r1');
  t.deepEqual(await json('update', 'request:1', '--increment', 'n=1', '--allow-missing', '--request-id', 'r1'), first);
  t.deepEqual((await json('get', 'request:1')).value, { n: 1 });
});

test('delete removes, once', async (t) => {
  await ok('set', 'delete:1', '{}');
  t.regex(await ok('delete', 'delete:1'), new RegExp(`^delete:1 deleted, stood at ${POSITION}$`));
  t.is((await run('delete', 'delete:1')).code, 1);
  t.is(await ok('delete', 'delete:1', '--allow-missing'), 'delete:1 did not exist');
  t.deepEqual(await json('delete', 'delete:1', '--allow-missing'), { contextId: 'delete:1', changed: false });
  t.regex((await run('get', 'delete:1')).stderr, /^chord: NOT_FOUND: /);
});

test('a time to live is set by writes and renewed by touch', async (t) => {
  await ok('set', 'ttl:1', '{}', '--ttl', '6h');
  const { expiresAt, updatedAt, position } = await json('get', 'ttl:1');
  t.is(Date.parse(expiresAt) - Date.parse(updatedAt), 6 * 3_600_000);
  t.regex(await ok('touch', 'ttl:1', '--ttl', '1d'), /^ttl:1 expires at \d{4}-.+Z$/);
  t.is(await ok('touch', 'ttl:1', '--ttl', '0'), 'ttl:1 does not expire');
  const touched = await json('touch', 'ttl:1');
  t.like(touched, { contextId: 'ttl:1', position });
  t.false('value' in touched);
});

test('sync answers the document, a delta, or no change', async (t) => {
  const rest = 'x'.repeat(100); // a delta larger than its document gives way to it
  const { position: first } = await json('set', 'sync:1', JSON.stringify({ n: 1, rest }));
  t.like(await json('sync', 'sync:1'), { result: 'full', reason: 'INITIAL', position: first, value: { n: 1, rest } });
  t.regex(
    await ok('sync', 'sync:1'),
    /^sync:1 \S+ updated \S+ \(full: initial\)\n\{\n {2}"n": 1,\n {2}"rest": "x+"\n\}$/,
  );
  t.deepEqual(await json('sync', 'sync:1', '--known', first), {
    result: 'noChange',
    contextId: 'sync:1',
    position: first,
  });
  t.is(await ok('sync', 'sync:1', '--known', first), `sync:1 no change at ${first}`);
  const { position: second } = await json('update', 'sync:1', '{"n":2}');
  t.like(await json('sync', 'sync:1', '--known', first, '--old-values'), {
    result: 'delta',
    from: first,
    to: second,
    changes: [{ action: 'modified', path: ['n'], value: 2, oldValue: 1 }],
  });
  t.is(await ok('sync', 'sync:1', '--known', first), `sync:1 ${first} -> ${second}\n~ n = 2`);
  t.like(await json('sync', 'sync:1', '--known', '99'), { result: 'full', reason: 'AHEAD' });
});

test('deltas lists the history', async (t) => {
  const { position: first } = await json('set', 'deltas:1', '{"n":1}');
  const { position: second } = await json('set', 'deltas:1', '{"n":2}');
  const lines = (await ok('deltas', 'deltas:1')).split('\n');
  t.is(lines.length, 4);
  t.is(lines[1], '+ n = 1');
  t.true(lines[2]!.startsWith(`deltas:1 ${first} -> ${second}  `));
  t.is(lines[3], '~ n = 2');
  const one = await json('deltas', 'deltas:1', '--from', '1');
  t.like(one, { contextId: 'deltas:1', from: first, to: second });
});

test('ls pages through everything', async (t) => {
  // More than one page of 500: written by one process each would take minutes, so through a client of our own.
  const { Session } = await import('../../src/cli/client/client.js');
  const { Output } = await import('../../src/cli/output/output.js');
  const session = new Session({ address: server.address, timeout: 60_000 }, new Output(false));
  const ids = Array.from({ length: 1100 }, (_, i) => `ls:${String(i).padStart(5, '0')}`);
  await Promise.all(
    ids.map((contextId) =>
      session.call('setContext', {
        ...{
          contextId,
          value: { a: 1 },
          expected: undefined,
          requestId: '',
          annotations: new Map(),
          ttl: undefined,
          returning: undefined,
        },
      }),
    ),
  );
  session.close();
  const table = (await ok('ls', 'ls:')).split('\n');
  t.regex(table[0]!, /^ID +POSITION +UPDATED +EXPIRES$/);
  t.deepEqual(
    table.slice(1).map((line) => line.split(' ')[0]),
    ids,
  );
  const objects = (await ok('ls', 'ls:', '--json', '--values')).split('\n').map((line) => JSON.parse(line));
  t.deepEqual(
    objects.map(({ contextId }) => contextId),
    ids,
  );
  t.deepEqual(objects[7].value, { a: 1 });
  t.is(await ok('ls', 'nothing:', '--json'), '');
});

test('names that objects inherit are ids and keys like any other', async (t) => {
  await ok('set', '__proto__', '{"__proto__":{"constructor":1}}');
  const { contextId, value } = await json('get', '__proto__');
  t.is(contextId, '__proto__');
  t.deepEqual(Object.entries(value), [['__proto__', { constructor: 1 }]]);
});

test('what the server refuses names the field', async (t) => {
  const { code, stderr } = await run('set', 'x'.repeat(513), '{}', '--json');
  t.is(code, 1);
  t.like(JSON.parse(stderr).error, { reason: 'INVALID_ARGUMENT', violations: { 0: { field: 'context_id' } } });
});

test('a server that is not there is named, with a hint', async (t) => {
  const { code, stdout, stderr } = await chord(['get', 'x', '--address', '127.0.0.1:1']);
  t.is(code, 1);
  t.is(stdout, '');
  t.regex(stderr, /^chord: UNAVAILABLE: .*ECONNREFUSED.*\(called 127\.0\.0\.1:1; .+chord serve\)\n$/);
});

test('wrong usage exits with 2 and one line', async (t) => {
  const cases: [string[], RegExp][] = [
    [['get'], /missing required argument 'id'/],
    [['gte', 'x'], /unknown command 'gte' \(Did you mean get\?\)/],
    [['get', 'x', '--jsn'], /unknown option '--jsn' \(Did you mean --json\?\)/],
    [['set', 'x', 'word'], /wrong JSON: expected a value \(line 1, column 1\)/],
    [['set', 'x', '[]'], /a document is a JSON object/],
    [['set', 'x', '{}', '--expected', 'e:1'], /--expected: expected a position/],
    [['set', 'x', '{}', '--ttl', '5'], /--ttl: expected a duration/],
    [['update', 'x', '--set', 'a..b=1'], /--set: "a\.\.b" is no path/],
    [['deltas', 'x', '--from', 'one'], /--from: expected a version/],
    [['watch', 'x', '--known', 'y=1'], /--known names y, which is not watched/],
    [['get', 'x', '--timeout', '5'], /--timeout: expected a duration/],
  ];
  await Promise.all(
    cases.map(async ([args, message]) => {
      const { code, stdout, stderr } = await run(...args);
      t.deepEqual(
        { code, stdout, lines: stderr.split('\n').length },
        { code: 2, stdout: '', lines: 2 },
        args.join(' '),
      );
      t.regex(stderr, message);
      t.like(JSON.parse((await run(...args, '--json')).stderr).error, { reason: 'USAGE' });
    }),
  );
});

test('help and version go to stdout', async (t) => {
  for (const args of [['--help'], ['help'], ['serve', '--help'], ['update', '--help'], ['--version']]) {
    const { code, stdout, stderr } = await chord(args);
    t.deepEqual({ code, stderr }, { code: 0, stderr: '' }, args.join(' '));
    t.regex(stdout, args[0] === '--version' ? /^\d+\.\d+\.\d+\n$/ : /Examples:/);
  }
});

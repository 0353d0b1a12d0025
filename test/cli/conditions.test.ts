/** Conditions and waits on the command line. */
import test from 'ava';
import { Usage } from '../../src/cli/errors.js';
import { expectedOf } from '../../src/cli/input/options.js';
import { parseCheck, parsePosition } from '../../src/cli/input/parse.js';
import { parseBatch } from '../../src/cli/input/parse-batch.js';
import { chord, Running, startServer } from '../support/cli.js';

const RETURNING = { context: false, delta: false, oldValues: false, format: '' };

test('a check is a comparison, or says what exists', (t) => {
  const check = (text: string) => {
    const { path, test } = parseCheck(text);
    return [path!.keys, test!.$case, test!.value];
  };
  t.deepEqual(check('stock>=1'), [['stock'], 'atLeast', 1]);
  t.deepEqual(check('a.b<=-0.5'), [['a', 'b'], 'atMost', -0.5]);
  t.deepEqual(check('status="a>=b"'), [['status'], 'equals', 'a>=b']);
  t.deepEqual(check('list=[1,{"x":null}]'), [['list'], 'equals', [1, { x: null }]]);
  t.deepEqual(check('lock'), [['lock'], 'exists', true]);
  t.deepEqual(check('!lock.holder'), [['lock', 'holder'], 'exists', false]);
  t.deepEqual(check('["a>=b","c"]>=2'), [['a>=b', 'c'], 'atLeast', 2]);
  t.deepEqual(check('["a>=b"]'), [['a>=b'], 'exists', true]);
  for (const wrong of ['stock>1', 'stock>=x', 'status=ready', '=1', '', '!']) {
    t.throws(() => parseCheck(wrong), { instanceOf: Usage }, wrong);
  }
});

test('the conditions of a command and of a line of a batch are the same', (t) => {
  const since = parsePosition('k3J9x0Qa:42:Zz81hT0e');
  const wanted = expectedOf({ unchanged: [['a', 'b'], ['c.d']], since, check: [parseCheck('n>=1')] });
  const line = {
    update: 'x',
    unchanged: ['a.b', ['c.d']],
    since: 'k3J9x0Qa:42:Zz81hT0e',
    checks: ['n>=1'],
  };
  const { write } = parseBatch(JSON.stringify(line), RETURNING)[0]!;
  t.deepEqual(write?.$case === 'update' && write.value.expected, wanted);
  t.is(expectedOf({}), undefined);
  t.throws(() => expectedOf({ unchanged: [['a']] }), { message: /--unchanged needs --since/ });
  const expected = { condition: { $case: 'absent' as const, value: true }, checks: [] };
  t.throws(() => expectedOf({ expected, since }), { message: /exclude one another/ });
});

test('a wait prints what a sync would, and its deadline has an exit code', async (t) => {
  const server = await startServer('--listen', '127.0.0.1:0', '--backend', 'memory');
  t.teardown(() => server.end('SIGKILL'));
  const env = { CHORD_ADDRESS: server.address };
  const late = await chord(['wait', 'job', 'state="done"', '--timeout', '50ms'], '', env);
  t.deepEqual([late.code, late.stdout], [3, '']);
  t.is(late.stderr, 'chord: DEADLINE_EXCEEDED: "job" did not meet the checks in time\n');
  const waiting = new Running(['wait', 'job', 'state="done"', '!error', '--json'], undefined, env);
  await chord(['set', 'job', '{"state":"done","error":1}'], '', env);
  await chord(['set', 'job', '{"state":"done"}'], '', env);
  const answer = await waiting.json();
  t.like(answer, { result: 'full', contextId: 'job', value: { state: 'done' }, heldAt: 2 });
  t.is((await waiting.end()).code, 0);
  t.is((await chord(['wait', 'job', 'state=done'], '', env)).code, 2);
});

test('each write of the command line takes conditions', async (t) => {
  const server = await startServer('--listen', '127.0.0.1:0', '--backend', 'memory');
  t.teardown(() => server.end('SIGKILL'));
  const run = (...args: string[]) => chord([...args, '--json'], '', { CHORD_ADDRESS: server.address });
  const { position } = JSON.parse((await run('set', 'a', '{"x":1}')).stdout);
  await run('update', 'a', '--set', 'x=2');
  const guard = ['--unchanged', 'x', '--since', position];
  for (const write of [
    ['set', 'a', '{}'],
    ['update', 'a', '{}'],
    ['revert', 'a', '1'],
    ['delete', 'a'],
  ]) {
    const { code, stderr } = await run(...write, ...guard);
    t.is(code, 1);
    t.like(JSON.parse(stderr).error, { reason: 'ABORTED', message: '"a": version 2 changed ["x"]' }, write[0]);
  }
  t.is((await run('delete', 'a', '--unchanged', 'y', '--since', position, '--check', 'x=2')).code, 0);
});

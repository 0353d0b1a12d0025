/** What the log has of a server's life, and what it never has. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { ReplyError } from 'ioredis';
import { newToken, tokenLine } from '../../src/auth/tokens.js';
import { asText, errorForm } from '../../src/observability/log.js';
import { ALL, folder, rulesOf } from '../support/access.js';
import { connect, refused, watch } from '../support/chord.js';
import { type Server, startServer } from '../support/cli.js';

const MEMORY = ['--listen', '127.0.0.1:0', '--backend', 'memory'];

type LogLine = Record<string, unknown> & { msg: string };

async function start(t: ExecutionContext, ...args: string[]): Promise<Server> {
  const server = await startServer(...MEMORY, '--log-format', 'json', ...args);
  t.teardown(() => server.end('SIGKILL'));
  return server;
}

async function stop(server: Server): Promise<LogLine[]> {
  const { stderr } = await server.end('SIGTERM');
  return stderr.split('\n').flatMap((line) => (line.startsWith('{') ? (JSON.parse(line) as LogLine) : []));
}

test('each call is told with who, what, where it led and how long, when asked for', async (t) => {
  const server = await start(t, '--log-level', 'debug');
  const peer = connect(t, server.address);
  const { position } = await peer.set({ contextId: 'a', value: { n: 1 } });
  await peer.list({ prefix: 'r' });
  await refused(peer.get({ contextId: 'none' }));
  const touched = await peer.touch({ contextId: 'a' });
  await peer.delete({ contextId: 'b', allowMissing: true });
  const lines = (await stop(server)).filter(({ msg }) => msg === 'call');
  const stands = `${position!.epoch}:1:${position!.digest}`;
  const told = lines.map(({ method, code, contextId, prefix, position }) => {
    return [String(method).replace('chord.v1.', ''), code, contextId ?? prefix, position];
  });
  t.deepEqual(told, [
    ['ContextService/SetContext', 'OK', 'a', stands],
    ['ContextService/ListContexts', 'OK', 'r', undefined],
    ['ContextService/GetContext', 'NOT_FOUND', 'none', undefined],
    ['ContextService/TouchContext', 'OK', 'a', stands],
    ['ContextService/DeleteContext', 'OK', 'b', undefined],
  ]);
  t.is(touched.context!.position!.version, 1);
  for (const { level, time, identity, peer, ms } of lines) {
    t.deepEqual({ level, identity }, { level: 20, identity: 'anonymous' });
    t.regex(String(peer), /^127\.0\.0\.1:\d+$/);
    t.true(typeof ms === 'number' && ms >= 0 && Math.abs(Date.now() - Number(time)) < 60_000);
  }
});

test('by default the log has starts, stops and refusals, and nothing of what went well', async (t) => {
  const server = await start(t, '--log-level', 'info', '--delta-threshold', '7');
  const peer = connect(t, server.address);
  await peer.set({ contextId: 'a', value: {} });
  await refused(peer.get({ contextId: 'none' }));
  await refused(peer.set({ contextId: 'x'.repeat(5000), value: {} }));
  const lines = await stop(server);
  t.deepEqual(
    lines.map(({ level, msg, code }) => [level, msg, code]),
    [
      [30, 'serving', undefined],
      [30, 'call refused', 'INVALID_ARGUMENT'],
      [30, 'stopping', undefined],
      [30, 'stopped', undefined],
    ],
  );
  t.like(lines[0], { address: server.address, settings: { deltaThreshold: '7', backend: 'memory' } });
  t.like(lines[1], { contextId: 'x'.repeat(512), why: 'context_id' });
});

test('connections are told when asked for', async (t) => {
  const server = await start(t, '--log-level', 'debug');
  const peer = connect(t, server.address);
  await peer.set({ contextId: 'a', value: {} });
  peer.client.close();
  await server.said('connection closed');
  const lines = (await stop(server)).filter(({ msg }) => msg.startsWith('connection'));
  t.deepEqual(
    lines.map(({ msg }) => msg),
    ['connection opened', 'connection closed'],
  );
  t.is(lines[0]!.peer, lines[1]!.peer);
});

test('many bad calls make few lines, and one that counts the rest', async (t) => {
  const server = await start(t, '--log-level', 'info');
  const peer = connect(t, server.address);
  const bad = Array.from({ length: 100 }, () => refused(peer.set({ contextId: '', value: {} })));
  await Promise.all(bad);
  await server.said('more calls');
  const lines = await stop(server);
  const told = lines.filter(({ msg }) => msg === 'call refused').length;
  const left = lines
    .filter(({ msg }) => msg.startsWith('more calls'))
    .reduce((sum, { calls }) => sum + Number(calls), 0);
  t.true(told >= 20 && told < 100, `${told} lines`);
  t.is(told + left, 100);
});

test('streams that end since the server stops are no trouble', async (t) => {
  const server = await start(t, '--log-level', 'info');
  const reader = watch(t, connect(t, server.address), { id: 'a' });
  await reader.caughtUp();
  const lines = await stop(server);
  t.is((await reader.end()).code, 14);
  t.deepEqual(
    lines.map(({ msg }) => msg),
    ['serving', 'stopping', 'stopped'],
  );
});

const SECRET = 'hunter2';

test('documents, tokens and passwords never reach the log, at any level', async (t) => {
  const exportUrl = `postgres://me:${SECRET}@127.0.0.1:1/db?sslpassword=${SECRET}`;
  const server = await start(t, '--log-level', 'trace', '--export-url', exportUrl, '--export-timeout', '500ms');
  const peer = connect(t, server.address);
  const value = { [SECRET]: { deeper: SECRET }, list: [SECRET], text: SECRET };
  const { position } = await peer.set({
    contextId: 'a',
    value,
    returning: { context: true, delta: true, oldValues: true, format: '' },
  });
  await peer.update({ contextId: 'a', changes: { text: `${SECRET} too` } });
  const below = [SECRET, 'deeper', 'below'];
  await refused(peer.update({ contextId: 'a', mutations: [{ path: below, operation: { $case: 'set', value: 1 } }] }));
  const expected = { condition: { $case: 'position' as const, value: { ...position!, digest: 'other' } }, checks: [] };
  await refused(peer.update({ contextId: 'a', expected, changes: { [SECRET]: 1 } }));
  await refused(peer.sync({ contextId: 'a', format: SECRET }));
  await refused(peer.export({ contextId: 'a' }));
  await peer.get({ contextId: 'a' });
  await peer.sync({ contextId: 'a', known: { ...position!, version: 1 } });
  const reader = watch(t, peer, { prefix: '' });
  await reader.caughtUp();
  const { stderr } = await server.end('SIGTERM');
  t.true(stderr.includes('"call refused"') && stderr.includes('"call failed"'));
  t.false(
    stderr.includes(SECRET),
    stderr.split('\n').find((line) => line.includes(SECRET)),
  );
});

test('tokens never reach the log, whether they are good or not', async (t) => {
  const at = await folder(t);
  const [tokens, rules, token, wrong] = [join(at, 'tokens'), join(at, 'rules.json'), newToken(), newToken()];
  await writeFile(tokens, tokenLine('ann', token));
  await writeFile(rules, rulesOf({ ann: { 'a/': ALL } }));
  const server = await start(t, '--log-level', 'trace', '--auth-tokens', tokens, '--auth-rules', rules);
  const ann = connect(t, server.address).show(token);
  await ann.set({ contextId: 'a/1', value: {} });
  await refused(ann.set({ contextId: 'b/1', value: {} }));
  await refused(connect(t, server.address).show(wrong).get({ contextId: 'a/1' }));
  await refused(connect(t, server.address).show(`${wrong} more`).get({ contextId: 'a/1' }));
  const { stderr } = await server.end('SIGTERM');
  t.true(
    stderr.includes('"identity":"ann"') && stderr.includes('PERMISSION_DENIED') && stderr.includes('UNAUTHENTICATED'),
  );
  for (const secret of [token, wrong]) t.false(stderr.includes(secret));
});

test('of errors only words are kept, not what a driver hung onto them', (t) => {
  const refusal = new ReplyError('WRONGPASS invalid username-password pair');
  Object.assign(refusal, { command: { name: 'auth', args: ['me', SECRET] }, code: 'WRONGPASS' });
  const form = errorForm(new Error('cannot start', { cause: refusal }));
  t.false(JSON.stringify(form).includes(SECRET));
  t.like(form, { message: 'cannot start', cause: { message: refusal.message, code: 'WRONGPASS' } });
  t.false(JSON.stringify(errorForm({ password: SECRET, deep: { password: SECRET } })).includes(SECRET));
});

test('as text a line is one line, whatever it tells', (t) => {
  const line = {
    level: 40,
    time: 0,
    name: 'chord',
    msg: 'call failed',
    code: 'UNAVAILABLE',
    contextId: 'a b\n\u001b[2J\u202e',
    ms: 1.5,
  };
  t.is(
    asText(line),
    '1970-01-01T00:00:00.000Z WARN  call failed code=UNAVAILABLE contextId="a b\\n\\u001b[2J\\u202e" ms=1.5',
  );
  const err = errorForm(new Error('why', { cause: new Error('deeper') }));
  t.regex(
    asText({ level: 50, time: 0, msg: 'internal error', err }),
    /^\S+ ERROR internal error\n {4}Error: why\n(?:.|\n)*caused by\n {4}Error: deeper/,
  );
});

test('at a terminal the log is text; anyhow when asked for', async (t) => {
  const server = await startServer(...MEMORY, '--log-format', 'text', '--log-level', 'debug');
  t.teardown(() => server.end('SIGKILL'));
  await connect(t, server.address).set({ contextId: 'a', value: {} });
  const { stderr } = await server.end('SIGTERM');
  t.regex(stderr, /^\S+Z DEBUG serving address=\S+ settings=/);
  t.regex(
    stderr,
    /Z DEBUG call method=chord\.v1\.ContextService\/SetContext code=OK identity=anonymous .*contextId=a position=\S+:1:\S+ ms=\d/,
  );
});

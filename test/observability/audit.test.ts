/** The audit log: what is in it, what happens when it cannot be written, and rotation. */
import { existsSync } from 'node:fs';
import { readFile, rename, stat, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { CleanupServiceService } from '../../src/gen/chord/v1/cleanup_service.js';
import { type AuditHears, AuditLog } from '../../src/observability/audit.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { ALL, guarded } from '../support/access.js';
import { bytesOf, connect, refused, serve, watch } from '../support/chord.js';
import { startServer } from '../support/cli.js';
import { scrape } from '../support/metrics.js';
import { until } from '../support/until.js';

const UNAVAILABLE = 14;

type Entry = Record<string, unknown>;

async function entriesOf(file: string): Promise<Entry[]> {
  const text = await readFile(file, 'utf8');
  checkEnd(text);
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Entry]));
}

function checkEnd(text: string): void {
  if (text !== '' && !text.endsWith('\n')) throw new Error('the last line has no end');
}

function silent(t: ExecutionContext): AuditHears {
  return { failed: () => t.fail(), recovered: () => t.fail(), lost: () => t.fail() };
}

async function auditFile(t: ExecutionContext): Promise<string> {
  return join(await temporaryDirectory(t), 'audit.log');
}

test('writes, administration and refusals are noted; reads and what documents hold are not', async (t) => {
  const auditLog = await auditFile(t);
  const { chord, as, tokens } = await guarded(t, { ann: { '': ALL }, bob: { 'bob/': ['read'] } }, { auditLog });
  const [ann, bob, nobody] = [as(tokens.ann), as(tokens.bob), as(undefined)];
  const { position } = await ann.set({ contextId: 'a', value: { text: 'hunter2' }, requestId: 'r1' });
  await ann.update({ contextId: 'a', changes: { n: 1 } });
  await ann.get({ contextId: 'a' });
  await ann.sync({ contextId: 'a' });
  await ann.list({ prefix: '' });
  await refused(ann.update({ contextId: 'none', changes: {} }));
  await ann.touch({ contextId: 'a' });
  await ann.raw(CleanupServiceService.runCleanup, bytesOf(CleanupServiceService.runCleanup, { dryRun: true }));
  await refused(bob.get({ contextId: 'a' }));
  await refused(nobody.set({ contextId: 'b', value: { text: 'hunter2' } }));
  await ann.delete({ contextId: 'a' });
  await chord.close();
  const entries = await entriesOf(auditLog);
  const first = `${position!.epoch}:1:${position!.digest}`;
  const told = entries.map(({ identity, method, contextId, requestId, outcome }) => {
    return [identity, String(method).split('/')[1], contextId, requestId, outcome];
  });
  t.deepEqual(told, [
    ['ann', 'SetContext', 'a', 'r1', 'OK'],
    ['ann', 'UpdateContext', 'a', undefined, 'OK'],
    ['ann', 'UpdateContext', 'none', undefined, 'NOT_FOUND'],
    ['ann', 'TouchContext', 'a', undefined, 'OK'],
    ['ann', 'RunCleanup', undefined, undefined, 'OK'],
    ['bob', 'GetContext', 'a', undefined, 'PERMISSION_DENIED'],
    // What it asked for was never received.
    ['anonymous', 'SetContext', undefined, undefined, 'UNAUTHENTICATED'],
    ['ann', 'DeleteContext', 'a', undefined, 'OK'],
  ]);
  t.is(entries[0]!.position, first);
  t.regex(String(entries[1]!.position), new RegExp(`^${position!.epoch}:2:`));
  t.is(entries[3]!.position, entries[1]!.position);
  for (const { time, peer } of entries) {
    t.regex(String(peer), /^127\.0\.0\.1:\d+$/);
    t.true(Math.abs(Date.now() - Date.parse(String(time))) < 60_000);
  }
  const text = await readFile(auditLog, 'utf8');
  for (const secret of ['hunter2', ...Object.values(tokens)]) t.false(text.includes(secret));
  t.is((await stat(auditLog)).mode & 0o777, 0o600);
});

test('a batch is one entry, with each context and where it stands then', async (t) => {
  const auditLog = await auditFile(t);
  const chord = await serve(t, { auditLog });
  const peer = connect(t, chord.address);
  const set = (contextId: string, value: object, annotations = new Map<string, string>()) => {
    const fields = { ttl: undefined, expected: undefined, requestId: '', annotations, returning: undefined };
    return { write: { $case: 'set' as const, value: { contextId, value, ...fields } } };
  };
  const remove = { contextId: 'none', expected: undefined, requestId: '', annotations: new Map(), allowMissing: true };
  const writes = [
    set('a', { n: 1 }, new Map([['ticket', '7']])),
    { write: { $case: 'delete' as const, value: remove } },
    set('b', { n: 'x'.repeat(500) }),
  ];
  const { results } = await peer.batch({ writes, requestId: 'r1' });
  await refused(peer.batch({ writes: [set('a', {}), set('', {})] }));
  await chord.close();
  const [entry, refusal] = await entriesOf(auditLog);
  const [a, none, b] = results.map(({ position }) => {
    return position ? `${position.epoch}:${position.version}:${position.digest}` : null;
  });
  t.is(none, null);
  t.like(entry, { contextIds: ['a', 'none', 'b'], positions: [a, none, b], requestId: 'r1', outcome: 'OK' });
  t.deepEqual(entry!.annotations, [{ ticket: '7' }, null, null]);
  t.like(refusal, { contextIds: ['a', ''], outcome: 'INVALID_ARGUMENT' });
  t.false('positions' in refusal!);
  t.false('annotations' in refusal!);
});

test('of many refusals some are noted and the others counted', async (t) => {
  const auditLog = await auditFile(t);
  const { chord, as } = await guarded(t, { ann: { '': ALL } }, { auditLog });
  const nobody = as(undefined);
  await Promise.all(Array.from({ length: 100 }, () => refused(nobody.get({ contextId: 'a' }))));
  await chord.close();
  const entries = await entriesOf(auditLog);
  const noted = entries.filter(({ outcome }) => outcome === 'UNAUTHENTICATED').length;
  const counted = entries.reduce((sum, { refused = 0 }) => sum + Number(refused), 0);
  t.true(noted >= 20 && noted < 100, `${noted} entries`);
  t.is(noted + counted, 100);
});

test('every acknowledged write is noted, also those of the last moment before a stop', async (t) => {
  const auditLog = await auditFile(t);
  const chord = await serve(t, { auditLog });
  const peer = connect(t, chord.address);
  const writes = Array.from({ length: 500 }, (_, n) => peer.set({ contextId: `c${n % 7}`, value: { n } }));
  const positions = (await Promise.all(writes)).map(({ position }) => {
    return `${position!.epoch}:${position!.version}:${position!.digest}`;
  });
  await chord.close();
  const noted = (await entriesOf(auditLog)).map(({ position }) => String(position));
  t.deepEqual(noted.toSorted(), positions.toSorted());
});

test('while nothing can be noted only reads are served; then all goes on, and nothing is missing', async (t) => {
  if (!existsSync('/dev/full')) return void t.pass('this system has no /dev/full');
  const auditLog = await auditFile(t);
  const chord = await serve(t, { auditLog, logLevel: 'silent', metricsListen: '127.0.0.1:0' });
  const peer = connect(t, chord.address);
  await peer.set({ contextId: 'a', value: { n: 0 } });
  await rename(auditLog, `${auditLog}.1`);
  await symlink('/dev/full', auditLog);
  await chord.reload();
  // This one is answered: that its entry has no place is found out afterwards.
  await peer.set({ contextId: 'a', value: { n: 1 } });
  const reader = watch(t, peer, { id: 'a' });
  await reader.caughtUp();
  const refusal = await untilRefused(() => peer.set({ contextId: 'a', value: { n: Math.random() } }));
  t.like(refusal, { code: UNAVAILABLE, message: 'the audit log cannot be written: only reads are served' });
  t.is((await refused(peer.raw(CleanupServiceService.getCleanup, Buffer.alloc(0)))).code, UNAVAILABLE);
  const { version } = (await peer.get({ contextId: 'a' })).context!.position!;
  t.is((await scrape(chord.metricsAddress)).value('chord_audit_writable'), 0);

  await unlink(auditLog);
  await chord.reload();
  await untilDone(() => peer.set({ contextId: 'b', value: { n: 2 } }));
  await chord.close();
  const all = [...(await entriesOf(`${auditLog}.1`)), ...(await entriesOf(auditLog))];
  const versions = all.filter(({ contextId }) => contextId === 'a').map((each) => String(each.position).split(':')[1]);
  t.deepEqual(
    versions,
    Array.from({ length: version }, (_, n) => `${n + 1}`),
  );
  t.true(all.some(({ contextId, outcome }) => contextId === 'b' && outcome === 'OK'));
});

/** Calls until a call is refused; tells how. */
async function untilRefused(call: () => Promise<unknown>) {
  let answer: Promise<unknown> = Promise.resolve();
  await until(async () => {
    answer = call();
    return !(await succeeds(answer));
  });
  return refused(answer);
}

const untilDone = (call: () => Promise<unknown>) => until(() => succeeds(call()));

function succeeds(answer: Promise<unknown>): Promise<boolean> {
  return answer.then(
    () => true,
    () => false,
  );
}

test('a rotation by SIGHUP loses and tears nothing, while clients write', async (t) => {
  const auditLog = await auditFile(t);
  const server = await startServer('--listen', '127.0.0.1:0', '--backend', 'memory', '--audit-log', auditLog);
  t.teardown(() => server.end('SIGKILL'));
  const peer = connect(t, server.address);
  let written = 0;
  let going = true;
  const writer = async () => {
    while (going) await peer.set({ contextId: 'a', value: { n: ++written } });
  };
  const writers = Promise.all([writer(), writer(), writer()]);
  for (let n = 1; n <= 3; n++) {
    await rename(auditLog, `${auditLog}.${n}`);
    server.send('SIGHUP');
    await until(async () => {
      await peer.get({ contextId: 'a' }).catch(() => {});
      return existsSync(auditLog) && (await stat(auditLog)).size > 0;
    });
  }
  going = false;
  await writers;
  t.is((await server.end('SIGTERM')).code, 0);
  const parts = await Promise.all([1, 2, 3].map((n) => entriesOf(`${auditLog}.${n}`)));
  const entries = [...parts.flat(), ...(await entriesOf(auditLog))];
  t.is(entries.length, written);
  t.deepEqual(
    entries.map(({ position }) => Number(String(position).split(':')[1])),
    Array.from({ length: written }, (_, n) => n + 1),
  );
});

test('a line that a killed server has left in the middle is ended first', async (t) => {
  const path = await auditFile(t);
  await writeFile(path, '{"n":1}\n{"n":');
  const log = new AuditLog(path, silent(t));
  log.append({ n: 3 });
  await log.close();
  t.is(await readFile(path, 'utf8'), '{"n":1}\n{"n":\n{"n":3}\n');
  const again = new AuditLog(path, silent(t));
  again.append({ n: 4 });
  await again.close();
  t.is(await readFile(path, 'utf8'), '{"n":1}\n{"n":\n{"n":3}\n{"n":4}\n');
});

test('what is lost at the end is counted', async (t) => {
  if (!existsSync('/dev/full')) return void t.pass('this system has no /dev/full');
  const told: unknown[] = [];
  const log = new AuditLog('/dev/full', {
    failed: (error) => told.push((error as NodeJS.ErrnoException).code),
    recovered: () => t.fail(),
    lost: (entries) => told.push(entries),
  });
  for (let n = 0; n < 5; n++) log.append({ n });
  await log.close();
  t.deepEqual(told, ['ENOSPC', 5]);
  t.false(log.writable);
});

test('a server whose audit log cannot be opened does not start', async (t) => {
  const message = /cannot open the audit log: ENOENT/;
  await t.throwsAsync(serve(t, { auditLog: join(await temporaryDirectory(t), 'none', 'audit.log') }), { message });
});

test('no character that steers a terminal stands in an entry or a line of the log, and the entry says the same', async (t) => {
  const auditLog = await auditFile(t);
  const server = await startServer(
    '--listen',
    '127.0.0.1:0',
    '--backend',
    'memory',
    '--audit-log',
    auditLog,
    '--log-level',
    'info',
  );
  t.teardown(() => server.end('SIGKILL'));
  const contextId = 'a\u009b2J\u202e\u2066\u061c\u2028\u007f';
  const peer = connect(t, server.address);
  await peer.set({ contextId, value: {} });
  await refused(peer.set({ contextId, value: {}, ttl: { seconds: -1, nanos: 0 } }));
  const { stderr } = await server.end('SIGTERM');
  const text = await readFile(auditLog, 'utf8');
  for (const written of [text, stderr]) {
    t.notRegex(written.replaceAll('\n', ''), /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/u);
    t.regex(written, /a\\u009b2J\\u202e/);
  }
  t.is((await entriesOf(auditLog))[0]!.contextId, contextId);
});

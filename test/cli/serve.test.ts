/** `chord serve`: its ready line, its settings, its end. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type ClientHttp2Session, connect } from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { chord, Running, startServer } from '../support/cli.js';

const memory = ['--backend', 'memory', '--listen', '127.0.0.1:0'];

test('says in one line where it serves, from what, and when it was ready', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chord-cli-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const [lmdb, inMemory] = await Promise.all([
    startServer('--listen', '127.0.0.1:0', '--data-dir', folder),
    startServer(...memory),
  ]);
  t.regex(inMemory.ready, /^chord: serving on 127\.0\.0\.1:[1-9]\d* \(memory\), ready in \d+ ms$/);
  t.is(
    lmdb.ready.replace(/:\d+ /, ':PORT ').replace(/\d+ ms$/, 'N ms'),
    `chord: serving on 127.0.0.1:PORT (lmdb, ${folder}), ready in N ms`,
  );
  t.is((await lmdb.end('SIGTERM')).code, 0);
  t.is((await inMemory.end('SIGINT')).code, 0);
});

test('what was acknowledged is there after a stop and a start', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chord-cli-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const args = ['--listen', '127.0.0.1:0', '--data-dir', folder];
  const first = await startServer(...args);
  t.is((await chord(['set', 'a', '{"n":1}', '--address', first.address])).code, 0);
  t.is((await first.end('SIGTERM')).code, 0);
  const second = await startServer(...args);
  t.teardown(() => second.end('SIGTERM'));
  t.is((await chord(['get', 'a', '--address', second.address])).stdout, '{\n  "n": 1\n}\n');
});

/** A call that has begun and will never be complete. */
async function hangingCall(address: string): Promise<ClientHttp2Session> {
  const session = connect(`http://${address}`);
  session.on('error', () => {}); // the server ends it in its own way
  await once(session, 'connect'); // a ping before that is answered without being sent
  const headers = { ':method': 'POST', ':path': '/chord.v1.ContextService/GetContext', te: 'trailers' };
  const call = session.request({ ...headers, 'content-type': 'application/grpc' }, { endStream: false });
  call.on('error', () => {});
  await new Promise((resolve) => session.ping(resolve)); // answered after the call was received
  return session;
}

test('a stop waits for open calls, and a second signal ends that at once', async (t) => {
  const server = await startServer(...memory, '--shutdown-grace', '10m');
  t.teardown(() => server.end('SIGKILL'));
  const session = await hangingCall(server.address);
  t.teardown(() => session.destroy());
  server.send('SIGTERM');
  await server.said('SIGTERM: stopping');
  t.is((await server.end('SIGINT')).code, 1);
});

test('a stop does not wait longer than the grace, and is a success', async (t) => {
  const server = await startServer(...memory, '--shutdown-grace', '100ms');
  t.teardown(() => server.end('SIGKILL'));
  const session = await hangingCall(server.address);
  t.teardown(() => session.destroy());
  t.is((await server.end('SIGTERM')).code, 0);
});

test('a stop does not wait for a client that stands still', async (t) => {
  const server = await startServer(...memory, '--shutdown-grace', '100ms');
  t.teardown(() => server.end('SIGKILL'));
  const client = new Running(['watch', 'a', '--json', '--address', server.address]);
  t.teardown(() => client.end('SIGKILL'));
  t.like(await client.json(), { event: 'absent' });
  t.like(await client.json(), { event: 'caughtUp' });
  client.send('SIGSTOP');
  t.is((await server.end('SIGTERM')).code, 0);
});

test('a start that fails says why in one line', async (t) => {
  const occupied = createServer().listen(0, '127.0.0.1');
  await once(occupied, 'listening');
  t.teardown(() => occupied.close());
  const listen = `127.0.0.1:${(occupied.address() as AddressInfo).port}`;
  const data = join(tmpdir(), `chord-cli-none-${process.pid}`);
  for (const taken of [
    ['--listen', listen],
    ['--listen', '127.0.0.1:0', '--metrics-listen', listen],
  ]) {
    t.is((await chord(['serve', ...taken, '--data-dir', data])).code, 1);
    t.false(existsSync(data), 'a data directory is left behind');
  }
  const { code, stdout, stderr } = await chord(['serve', '--backend', 'memory', '--listen', listen]);
  t.deepEqual({ code, stdout }, { code: 1, stdout: '' });
  t.regex(stderr, /^chord: cannot start: [^\n]+\n$/);
  t.true(stderr.includes(listen), stderr);
});

test('all that is wrong with the settings is told at once', async (t) => {
  const env = { CHORD_LISEN: 'x', CHORD_BACKEND: 'mysql' };
  const args = ['serve', 'extra', '--lisen', 'x', '--cache-bytes', '12x', '--data-dri=y', '--address', 'a:1'];
  const { code, stdout, stderr } = await chord(args, '', env);
  t.deepEqual({ code, stdout }, { code: 2, stdout: '' });
  t.deepEqual(stderr.trimEnd().split('\n').sort(), [
    'chord: --cache-bytes: expected a size like 64MiB or 1GB, got "12x"',
    'chord: CHORD_BACKEND: expected one of lmdb, redis, memory, got "mysql"',
    'chord: unexpected argument extra',
    'chord: unknown setting --address',
    'chord: unknown setting --data-dri; did you mean --data-dir?',
    'chord: unknown setting --lisen; did you mean --listen?',
  ]);
});

test('--print-config shows each setting with its origin', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chord-cli-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, 'chord.json');
  await writeFile(file, '{"deltaThreshold":7,"backend":"memory"}');
  const args = ['serve', '--print-config', '--backend', 'lmdb'];
  const table = await chord(args, '', { CHORD_CONFIG: file, CHORD_CACHE_BYTES: '1GB' });
  t.is(table.code, 0, table.stderr);
  const rows = table.stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split(/ {2,}/));
  t.deepEqual(rows[0], ['SETTING', 'VALUE', 'ORIGIN']);
  t.deepEqual(
    rows.find(([key]) => key === 'backend'),
    ['backend', 'lmdb', '--backend'],
  );
  t.deepEqual(
    rows.find(([key]) => key === 'cacheBytes'),
    ['cacheBytes', '1GB', 'CHORD_CACHE_BYTES'],
  );
  t.deepEqual(
    rows.find(([key]) => key === 'deltaThreshold'),
    ['deltaThreshold', '7', `deltaThreshold in ${file}`],
  );
  const machine = JSON.parse((await chord([...args, '--json', '--config', file])).stdout);
  t.deepEqual(machine.deltaThreshold, { value: 7, origin: `deltaThreshold in ${file}` });
  t.deepEqual(machine.shutdownGrace, { value: 10_000, origin: 'default' });
});

test('an unknown variable is told of, and what Kubernetes injects is not; the server starts', async (t) => {
  const env = { CHORD_LISEN: 'x', CHORD_SERVICE_HOST: '10.0.0.1', CHORD_PORT: 'tcp://10.0.0.1:50051' };
  const { code, stderr } = await chord(['serve', '--print-config'], '', env);
  t.deepEqual([code, stderr], [0, 'chord: ignored: unknown setting CHORD_LISEN; did you mean CHORD_LISTEN?\n']);
});

test('with --json the ready line is an object', async (t) => {
  const server = new Running(['serve', ...memory, '--json']);
  t.teardown(() => server.end('SIGKILL'));
  const { serving, readyMs, ...rest } = await server.json();
  t.regex(String(serving), /^127\.0\.0\.1:[1-9]\d*$/);
  t.true(Number(readyMs) > 0);
  t.deepEqual(rest, { store: 'memory', tls: false });
});

test('a start that fails names settings as they were given', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chord-cli-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, 'chord.json');
  await writeFile(file, JSON.stringify({ tlsCert: join(folder, 'none') }));
  const said = async (args: string[], env = {}) => (await chord(['serve', ...memory, ...args], '', env)).stderr;
  t.is(await said(['--tls-cert', 'x']), 'chord: cannot start: --tls-cert and --tls-key are needed together\n');
  t.is(
    await said(['--config', file], { CHORD_TLS_KEY: 'x' }),
    `chord: cannot start: tlsCert in ${file}: ${join(folder, 'none')} cannot be read: ENOENT: no such file or directory, open '${join(folder, 'none')}'\n`,
  );
});

test('a config file that cannot be read is refused', async (t) => {
  const { code, stderr } = await chord(['serve', '--config', '/nowhere/chord.json']);
  t.is(code, 2);
  t.regex(stderr, /^chord: cannot read the config file \/nowhere\/chord\.json: [^\n]+\n$/);
});

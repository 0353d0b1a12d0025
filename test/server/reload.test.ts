/** SIGHUP: certificates and the config file are read again. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { credentials } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { Authority, HERE, writePair } from '../support/certificates.js';
import { connect, Reader } from '../support/chord.js';
import { hasTerminals, MAIN, Running } from '../support/cli.js';
import { until } from '../support/until.js';

const ca = await Authority.create();

/** A server with a config file. */
async function start(t: ExecutionContext, settings: object, ...args: string[]) {
  const folder = await temporaryDirectory(t);
  const config = join(folder, 'chord.json');
  const write = (settings: object) => writeFile(config, JSON.stringify(settings));
  await write(settings);
  const server = new Running(['serve', '--backend', 'memory', '--listen', '127.0.0.1:0', '--config', config, ...args]);
  t.teardown(() => server.end('SIGKILL'));
  const address = /^chord: serving on (\S+) /.exec(await server.line())![1]!;
  return { server, address, folder, config, write };
}

/** Whom a new connection meets. */
async function describeCall(address: string): Promise<string> {
  const [host, port] = address.split(':');
  const options: ConnectionOptions = {
    port: Number(port),
    servername: 'localhost',
    ca: ca.cert,
    ALPNProtocols: ['h2'],
  };
  const socket = connectTls({ ...options, ...(host && { host }) });
  await once(socket, 'secureConnect');
  const { CN } = socket.getPeerCertificate().subject;
  socket.destroy();
  return String(CN);
}

test('a new certificate is served, and open streams go on', async (t) => {
  const folder = await temporaryDirectory(t);
  const { cert, key } = await writePair(folder, 'server', await ca.issue({ name: 'first', names: HERE }));
  const { server, address } = await start(t, { tlsCert: cert, tlsKey: key });
  const peer = connect(t, address, credentials.createSsl(Buffer.from(ca.cert)));
  const reader = new Reader(peer, { id: 'a' });
  await reader.caughtUp();
  t.is(await describeCall(address), 'first');
  await writePair(folder, 'server', await ca.issue({ name: 'second', names: HERE }));
  server.send('SIGHUP');
  await server.said('"reloaded"');
  t.is(await describeCall(address), 'second');
  const { position } = await peer.set({ contextId: 'a', value: {} });
  await reader.at('a', position);
  t.is((await server.end('SIGTERM')).code, 0);
});

test('settings that can change do; of others the log says that they need a restart', async (t) => {
  const before = { logLevel: 'info', cacheBytes: '64MiB', shutdownGrace: '10m' };
  const { server, write } = await start(t, before, '--heartbeat-interval', '20s');
  await write({ ...before, logLevel: 'warn', cacheBytes: '32MiB', heartbeatInterval: '30s' });
  server.send('SIGHUP');
  await server.said('these settings change only with a restart');
  // Of the two, the flag wins over the file: nothing has changed there.
  await server.said('"settings":["cacheBytes"]');
  await write({ ...before, logLevel: 'debug', cacheBytes: '32MiB' });
  server.send('SIGHUP');
  await server.said('"reloaded"');
  const { code, stderr } = await server.end('SIGTERM');
  t.is(code, 0);
  t.is(stderr.match(/"msg":"reloaded"/g)?.length, 1, 'at warn it was not logged');
});

test('a config file that cannot be read leaves everything as it was', async (t) => {
  const { server, config, write } = await start(t, { logLevel: 'info' });
  await writeFile(config, '{"logLevel":');
  server.send('SIGHUP');
  await server.said('cannot read the config file');
  await server.said('"reloaded"');
  await write({ logLevel: 'loud' });
  server.send('SIGHUP');
  await server.said('logLevel in');
  t.is((await server.end('SIGTERM')).code, 0);
});

test('a server ends with its terminal', async (t) => {
  // `script` gives it a terminal, and takes it away by its own death.
  const command = `echo $$; exec ${process.execPath} ${MAIN} serve --backend memory --listen 127.0.0.1:0`;
  const { CHORD_TEST_WORKERS: _, ...env } = process.env; // a variable that it does not know, it tells of
  if (!hasTerminals(t)) return;
  const script = spawn('script', ['-qfec', command, '/dev/null'], { env, stdio: ['ignore', 'pipe', 'ignore'] });
  const lines = createInterface({ input: script.stdout })[Symbol.asyncIterator]();
  const next = async () => String((await lines.next()).value);
  const pid = Number(await next());
  t.regex(await next(), /^chord: serving on /);
  process.kill(pid, 'SIGHUP');
  t.regex(await next(), /reloaded/, 'as long as the terminal is there, it reloads');
  script.kill('SIGKILL');
  await t.notThrowsAsync(until(() => !existsSync(`/proc/${pid}`), 'its end'));
});

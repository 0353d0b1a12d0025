/** TLS over real connections: who gets in, who does not, and certificates that change while everything goes on. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls';
import { type ChannelCredentials, credentials, status } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import type { Chord } from '../../src/server/app.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { Authority, EXPIRED, HERE, type Pair, type Wish, writePair } from '../support/certificates.js';
import { connect, Peer, Reader, serve } from '../support/chord.js';
import { startServer } from '../support/cli.js';
import { scrape } from '../support/metrics.js';

const ca = await Authority.create();
const stranger = await Authority.create('Strange CA');

/** A server with a certificate of its own, and of clients if authorities for them are given. */
async function serveTls(t: ExecutionContext, wish: Wish = { names: HERE }, clients?: string, issuer = ca) {
  const folder = await temporaryDirectory(t);
  const { cert, key } = await writePair(folder, 'server', await issuer.issue(wish));
  const tlsClientCa = clients === undefined ? '' : join(folder, 'clients.pem');
  if (clients !== undefined) await writeFile(tlsClientCa, clients);
  const chord = await serve(t, { tlsCert: cert, tlsKey: key, tlsClientCa, metricsListen: '127.0.0.1:0' });
  const renew = async (pair: Pair): Promise<void> => {
    await writePair(folder, 'server', pair);
    await chord.reload();
  };
  return { chord, renew, folder };
}

function trusting(authority: Authority, own?: Pair): ChannelCredentials {
  const [root, key, cert] = [authority.cert, own?.key, own?.cert].map((pem) => (pem ? Buffer.from(pem) : null));
  return credentials.createSsl(root, key, cert);
}

/** What a client hears whose certificate is none that the server accepts: Node hangs up. */
const NO_WORD = /^closed|ECONNRESET|disconnected before secure/;

/** What a client hears that cannot connect. */
async function unreachable(t: ExecutionContext, { address }: Chord, channel?: ChannelCredentials): Promise<string> {
  const error = await t.throwsAsync<Error & { code?: number; details?: string }>(
    connect(t, address, channel).get({ contextId: 'a' }),
  );
  t.is(error?.code, status.UNAVAILABLE);
  return error?.details ?? '';
}

/** Any way in, as TLS has it. Resolves when the server has answered with HTTP/2. */
async function handshake({ address }: { readonly address: string }, options: ConnectionOptions): Promise<TLSSocket> {
  const { hostname: host, port } = new URL(`https://${address}`);
  const base = { host, port: Number(port), servername: 'localhost', ca: ca.cert, ALPNProtocols: ['h2'] };
  const socket = connectTls({ ...base, ...options });
  // Its settings come first; a refusal of the client's certificate comes before them, as an error or as an end.
  const ended = once(socket, 'close').then(() => Promise.reject(new Error('closed')));
  await Promise.race([once(socket, 'data'), ended]);
  return socket;
}

test('a client that trusts the authority writes, reads and watches', async (t) => {
  const { chord } = await serveTls(t);
  const peer = connect(t, chord.address, trusting(ca));
  const reader = new Reader(peer, { id: 'a' });
  const { position } = await peer.set({ contextId: 'a', value: { n: 1 } });
  await reader.at('a', position);
  t.deepEqual(reader.copies.get('a')?.value, { n: 1 });
});

test('certificates between the own one and the root are sent along', async (t) => {
  const { chord } = await serveTls(t, { names: HERE }, undefined, await ca.intermediate());
  await t.notThrowsAsync(connect(t, chord.address, trusting(ca)).list({}));
});

test('a client does not talk to a server that it cannot trust', async (t) => {
  const [fine, named] = await Promise.all([serveTls(t), serveTls(t, { names: ['chord.example'] })]);
  t.regex(await unreachable(t, fine.chord, trusting(stranger)), /unable to verify the first certificate/);
  t.regex(await unreachable(t, named.chord, trusting(ca)), /does not match certificate's altnames/);
});

test('without TLS there is no way in where it is served, and with it none where it is not', async (t) => {
  const [{ chord }, plain] = await Promise.all([serveTls(t), serve(t)]);
  await unreachable(t, chord);
  t.regex(await unreachable(t, plain, trusting(ca)), /wrong version number/);
});

test('TLS before 1.2, and protocols other than HTTP/2, are refused', async (t) => {
  const { chord } = await serveTls(t);
  const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  await t.throwsAsync(handshake(chord, old), { message: /alert protocol version/ });
  await t.throwsAsync(handshake(chord, { ALPNProtocols: ['http/1.1'] }), { message: /alert no application protocol/ });
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const socket = await handshake(chord, { minVersion: version, maxVersion: version });
    t.is(socket.getProtocol(), version);
    t.is(socket.alpnProtocol, 'h2');
    socket.destroy();
  }
});

test('of TLS 1.2 only what HTTP/2 allows is spoken, also after the certificate was renewed', async (t) => {
  const { chord, renew } = await serveTls(t);
  const only = (ciphers: string) => ({ maxVersion: 'TLSv1.2', ciphers: `${ciphers}:@SECLEVEL=0` }) as const;
  for (const round of ['at the start', 'renewed']) {
    for (const name of [
      'ECDHE-ECDSA-AES256-SHA384',
      'ECDHE-ECDSA-AES128-SHA',
      'ECDHE-RSA-AES128-SHA',
      'AES128-GCM-SHA256',
    ]) {
      await t.throwsAsync(handshake(chord, only(name)), { message: /handshake failure/ }, `${name} ${round}`);
    }
    (await handshake(chord, only('ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256'))).destroy();
    await renew(await ca.issue({ names: HERE }));
  }
});

test('a client that offers no protocol is cut off without a byte', async (t) => {
  const { chord } = await serveTls(t);
  const { hostname: host, port } = new URL(`https://${chord.address}`);
  const socket = connectTls({ host, port: Number(port), servername: 'localhost', ca: ca.cert });
  socket.on('error', () => {});
  let received = 0;
  socket.on('data', (bytes) => {
    received += bytes.length;
  });
  await once(socket, 'close');
  t.is(received, 0);
});

test('a refused connection is counted, and logged with the reason', async (t) => {
  const folder = await temporaryDirectory(t);
  const { cert, key } = await writePair(folder, 'server', await ca.issue({ names: HERE }));
  const clients = join(folder, 'clients.pem');
  await writeFile(clients, ca.cert);
  const tls = ['--tls-cert', cert, '--tls-key', key, '--tls-client-ca', clients];
  const memory = ['--backend', 'memory', '--listen', '127.0.0.1:0', '--metrics-listen', '127.0.0.1:0'];
  const server = await startServer(...memory, ...tls, '--log-level', 'info');
  t.teardown(() => server.end('SIGKILL'));
  const refusals: [ConnectionOptions, string][] = [
    [{}, 'ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE'],
    [await stranger.issue(), 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    [await ca.issue(EXPIRED), 'CERT_HAS_EXPIRED'],
    [{ ALPNProtocols: ['http/1.1'] }, 'ERR_SSL_NO_APPLICATION_PROTOCOL'],
  ];
  for (const [options, reason] of refusals) {
    await t.throwsAsync(handshake(server, options));
    await server.said(`"reason":"${reason}","msg":"connection refused"`);
  }
  (await handshake(server, await ca.issue())).destroy();
  const metrics = await scrape(/metrics on http:\/\/(\S+)\/metrics/.exec(server.ready)?.[1]);
  t.is(metrics.value('chord_connections_refused_total'), refusals.length);
});

test('where clients must show a certificate, only one of the right authority that is valid now lets them in', async (t) => {
  const { chord } = await serveTls(t, { names: HERE }, ca.cert);
  const [good, foreign, late] = await Promise.all([ca.issue(), stranger.issue(), ca.issue(EXPIRED)]);
  await t.notThrowsAsync(connect(t, chord.address, trusting(ca, good)).list({}));
  await unreachable(t, chord, trusting(ca));
  await unreachable(t, chord, trusting(ca, foreign));
  await unreachable(t, chord, trusting(ca, late));
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    await t.throwsAsync(handshake(chord, { maxVersion }), {
      message: /alert (certificate required|handshake failure)/,
    });
    await t.throwsAsync(handshake(chord, { maxVersion, ...foreign }), { message: NO_WORD });
    await t.throwsAsync(handshake(chord, { maxVersion, ...late }), { message: NO_WORD });
  }
});

test('certificates change under load: open streams live on, new connections get the new one', async (t) => {
  const { chord, renew } = await serveTls(t);
  const rounds = 5;
  const writers = ['a', 'b', 'c', 'd'];
  const peers = writers.map(() => connect(t, chord.address, trusting(ca)));
  const readers = peers.map((peer) => new Reader(peer, { prefix: '' }));
  await Promise.all(readers.map((reader) => reader.caughtUp()));

  let stopped = false;
  const written = writers.map(async (contextId, i) => {
    let count = 0;
    for (; !stopped; count++) {
      await peers[i]!.update({ contextId, changes: { count }, allowMissing: true });
    }
    return count;
  });
  const serials = new Set<string>();
  for (let round = 0; round < rounds; round++) {
    await renew(await ca.issue({ names: HERE }));
    const socket = await handshake(chord, {});
    serials.add(socket.getPeerCertificate().serialNumber);
    socket.destroy();
    // A connection of its own that stays, and must live through the rounds to come.
    const late = new Peer(chord.address, trusting(ca));
    t.teardown(() => late.client.close());
    peers.push(late);
    readers.push(new Reader(late, { prefix: '' }));
    await readers.at(-1)!.caughtUp();
  }
  stopped = true;
  const counts = await Promise.all(written);

  t.is(serials.size, rounds, 'each round served its own certificate');
  t.true(counts.every((count) => count > 0));
  t.is(chord.streams, writers.length + rounds, 'no stream was lost');
  const listed = await peers[0]!.list({ includeValues: true });
  t.is(listed.contexts.length, writers.length);
  for (const [i, contextId] of writers.entries()) {
    const { context } = await peers[0]!.get({ contextId });
    t.deepEqual(context!.value, { count: counts[i]! - 1 });
    for (const reader of readers) await reader.at(contextId, context!.position);
  }
});

test('new certificates that cannot be served leave the old ones in place', async (t) => {
  const { chord, folder, renew } = await serveTls(t);
  const peer = connect(t, chord.address, trusting(ca));
  const reader = new Reader(peer, { id: 'a' });
  await reader.caughtUp();
  await writeFile(join(folder, 'server.pem'), 'half a certif');
  await chord.reload();
  await t.notThrowsAsync(connect(t, chord.address, trusting(ca)).list({}));
  await renew(await stranger.issue({ names: HERE }));
  await t.notThrowsAsync(connect(t, chord.address, trusting(stranger)).list({}));
  const { position } = await peer.set({ contextId: 'a', value: {} });
  await reader.at('a', position);
  t.pass();
});

test('the metrics tell when the certificate ends that is served, and count connections with TLS', async (t) => {
  const { chord, renew } = await serveTls(t);
  for (const until of [1_900_000_000_000, 1_950_000_000_000]) {
    await renew(await ca.issue({ names: HERE, until: new Date(until) }));
    t.is((await scrape(chord.metricsAddress)).value('chord_certificate_end_seconds'), until / 1000);
  }
  await connect(t, chord.address, trusting(ca)).list({});
  t.is((await scrape(chord.metricsAddress)).value('chord_connections'), 1);
});

test('an authority of clients that is taken away lets no more of them in, also not by resuming', async (t) => {
  const { chord, folder } = await serveTls(t, { names: HERE }, ca.cert + stranger.cert);
  const foreign = await stranger.issue();
  const before = await handshake(chord, { ...foreign, maxVersion: 'TLSv1.2' });
  const session = before.getSession()!;
  before.destroy();
  const resumed = await handshake(chord, { ...foreign, session, maxVersion: 'TLSv1.2' });
  t.true(resumed.isSessionReused());
  resumed.destroy();
  await writeFile(join(folder, 'clients.pem'), ca.cert);
  await chord.reload();
  await t.throwsAsync(handshake(chord, { ...foreign, session, maxVersion: 'TLSv1.2' }));
  await t.notThrowsAsync(connect(t, chord.address, trusting(ca, await ca.issue())).list({}));
});

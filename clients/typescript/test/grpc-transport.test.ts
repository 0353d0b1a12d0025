/** TLS and tokens, as a server sees them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Metadata, Server, ServerCredentials, type ServerWritableStream, status } from '@grpc/grpc-js';
import test from 'ava';
import { type ChordError, type ClientOptions, connect } from '../src/index.js';
import { contextService, syncService } from './support/definitions.js';

/** A key and a certificate for the name chord.test, fresh. */
function certificate(): { key: Buffer; cert: Buffer } {
  const folder = mkdtempSync(join(tmpdir(), 'chord-tls-'));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const names = ['-subj', '/CN=chord.test', '-addext', 'subjectAltName=DNS:chord.test'];
  const files = ['-keyout', key, '-out', cert];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', ...names, ...files], {
    stdio: 'ignore',
  });
  const read = { key: readFileSync(key), cert: readFileSync(cert) };
  rmSync(folder, { recursive: true });
  return read;
}

test('a token may change, be missing for a while, and expire under a stream that is open', async (t) => {
  const tokens: string[] = [];
  const note = ({ metadata }: { metadata: Metadata }) => tokens.push(String(metadata.get('authorization')));
  let streams = 0;
  const server = new Server();
  server.addService(contextService, {
    getContext: (call: { metadata: Metadata }, answer: (error: null, value: object) => void) => {
      note(call);
      answer(null, { context: { contextId: 'a', position: { epoch: 'e', version: 1, digest: 'd' } }, expiries: [] });
    },
  });
  server.addService(syncService, {
    watchContexts: (call: ServerWritableStream<unknown, object>) => {
      note(call);
      if (++streams === 1) call.write({ event: { $case: 'heartbeat', value: {} } });
      call.emit('error', { code: status.UNAUTHENTICATED, details: 'expired' });
    },
  });
  const port = await new Promise<number>((resolve, reject) => {
    const credentials = ServerCredentials.createInsecure();
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  t.teardown(() => server.forceShutdown());
  let asked = 0;
  const token = async () => {
    if (++asked === 2) throw new Error('asleep');
    return String(asked);
  };
  const client = connect(`127.0.0.1:${port}`, { token, retry: { backoffMin: 1 } });
  t.teardown(() => client.close());
  await client.get('a');
  await client.get('a');
  const refused = await t.throwsAsync<ChordError>(client.watch(['a']).next());
  t.is(refused!.reason, 'UNAUTHENTICATED');
  t.deepEqual(tokens, ['Bearer 1', 'Bearer 3', 'Bearer 4', 'Bearer 5', 'Bearer 6'], 'asked once more, then final');
});

test('a certificate is checked, and a token goes with every call', async (t) => {
  const { key, cert } = certificate();
  const server = new Server();
  server.addService(contextService, {
    // Says what it was told.
    getContext: (call: { metadata: { get(name: string): unknown[] } }, answer: (error: object) => void) =>
      answer({ code: status.PERMISSION_DENIED, details: String(call.metadata.get('authorization')) }),
  });
  const credentials = ServerCredentials.createSsl(null, [{ private_key: key, cert_chain: cert }]);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) => (error ? reject(error) : resolve(bound)));
  });
  t.teardown(() => server.forceShutdown());
  const refusal = async (options: ClientOptions): Promise<ChordError> => {
    const client = connect(`127.0.0.1:${port}`, { ...options, token: 'secret', retry: { attempts: 1 } });
    t.teardown(() => client.close());
    return (await t.throwsAsync<ChordError>(client.get('a')))!;
  };
  const told = await refusal({ tls: { ca: cert, serverName: 'chord.test' } });
  t.is(told.reason, 'PERMISSION_DENIED');
  t.is(told.message, 'Bearer secret');
  t.is((await refusal({ tls: { ca: cert } })).reason, 'UNAVAILABLE', 'another name');
  t.is((await refusal({ tls: true })).reason, 'UNAVAILABLE', 'an unknown authority');
  t.is((await refusal({})).reason, 'UNAVAILABLE', 'no TLS at all');
});

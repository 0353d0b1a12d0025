/** TLS with workers: all of them serve the certificates that the engine has loaded, from the moment it has. */
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import test from 'ava';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { Authority, HERE, writePair } from '../support/certificates.js';
import { serve } from '../support/chord.js';

const WORKERS = 2;
const [ca, other] = await Promise.all([Authority.create(), Authority.create('Other CA')]);

/** As many connections as reach each worker, one after the other: the engine gives each to the worker with the fewest. */
async function connections(address: string, options: ConnectionOptions): Promise<TLSSocket[]> {
  const { hostname: host, port } = new URL(`https://${address}`);
  const all: TLSSocket[] = [];
  for (let n = 0; n < WORKERS; n++) {
    const socket = connect({ host, port: Number(port), servername: 'localhost', ALPNProtocols: ['h2'], ...options });
    await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => Promise.reject(new Error('closed')))]);
    all.push(socket);
  }
  return all;
}

test('after a reload every worker has the new certificate, and lets in nobody by the authority that is gone', async (t) => {
  const folder = await temporaryDirectory(t);
  const files = await writePair(folder, 'server', await ca.issue({ names: HERE }));
  const tlsClientCa = join(folder, 'clients.pem');
  await writeFile(tlsClientCa, ca.cert + other.cert);
  const tls = { tlsCert: files.cert, tlsKey: files.key, tlsClientCa };
  const { address, reload } = await serve(t, { ...tls, workers: WORKERS });
  const foreign = { ...(await other.issue()), maxVersion: 'TLSv1.2' } as const;

  const first = await connections(address, { ...foreign, ca: ca.cert });
  const session = first[0]!.getSession()!;
  const resumed = await connections(address, { ...foreign, ca: ca.cert, session });
  for (const socket of resumed) t.true(socket.isSessionReused(), 'tickets of one worker are good at each');

  await writePair(folder, 'server', await other.issue({ names: HERE }));
  await reload();
  for (const socket of await connections(address, { ...foreign, ca: other.cert })) first.push(socket);
  await writeFile(tlsClientCa, ca.cert);
  await reload();
  for (let n = 0; n < WORKERS; n++) {
    await t.throwsAsync(connections(address, { ...foreign, ca: other.cert, session }), {
      message: /closed|ECONNRESET|disconnected before secure/,
    });
  }
  for (const socket of [...first, ...resumed]) socket.destroy();
});

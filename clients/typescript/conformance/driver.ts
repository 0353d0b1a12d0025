/** The driver of the conformance suite for this client on Node: see test/conformance/PROTOCOL.md. */
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { connect, Replica, type TlsOptions } from '../src/index.js';
import type { Args } from './forms.js';
import { answer, type Driven } from './ops.js';

const node: Driven = {
  connect: async ({ address, token, tokenFile, tls, deadline, attempts }) =>
    connect(address, {
      ...(tls && { tls: await tlsOptions(tls) }),
      token: tokenFile ? () => readFile(tokenFile, 'utf8') : token,
      deadline: deadline ?? 10_000,
      ...(attempts && { retry: { attempts } }),
    }),
  replica: (client, targets) => new Replica(client, targets),
};

async function tlsOptions({ ca, cert, key, serverName }: Args): Promise<TlsOptions> {
  const [roots, own, secret] = await Promise.all([ca, cert, key].map((path) => path && readFile(path)));
  return { ca: roots, ...(own && { cert: own, key: secret }), ...(serverName && { serverName }) };
}

for await (const line of createInterface({ input: process.stdin })) {
  process.stdout.write(`${await answer(node, line)}\n`);
}
process.exit();

/**
 * The server under test of connectrpc.com/conformance: the service of that suite on Chord's web front and call pipeline. It
 * reads a ServerCompatRequest from stdin and writes a ServerCompatResponse to stdout, each behind its length (4 bytes).
 * Argument: a file with the FileDescriptorSet of the suite's protos.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createFileRegistry, fromBinary, toBinary } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Arrivals } from '../../../src/grpc/connection-limits.js';
import { CallPipeline } from '../../../src/grpc/pipeline.js';
import { toStatus } from '../../../src/grpc/status.js';
import { Connections } from '../../../src/observability/connections.js';
import { Certificates } from '../../../src/tls/certificates.js';
import { WebServer } from '../../../src/web/server.js';
import { ConformanceApi, routesOf, SERVICE } from './service.js';

const set = fromBinary(FileDescriptorSetSchema, readFileSync(process.argv[2]!));
for (const service of set.file.flatMap((file) => file.service)) {
  // Over HTTP, Chord serves no stream of requests.
  service.method = service.method.filter(({ clientStreaming }) => !clientStreaming);
}
const registry = createFileRegistry(set);
const messageOf = (name: string) => registry.getMessage(`connectrpc.conformance.v1.${name}`)!;
const report = (error: unknown) => process.stderr.write(`${(error as Error).stack}\n`);

const stdin = process.stdin[Symbol.asyncIterator]();
// biome-ignore lint/suspicious/noExplicitAny: the descriptors are read at run time
const wish = fromBinary(messageOf('ServerCompatRequest'), await readMessage()) as any;
const pipeline = new CallPipeline([], (error) => toStatus(error, report), report);
for (const route of routesOf(registry)) pipeline.add(route);
const certificates = wish.useTls ? await openCertificates(wish.serverCreds, wish.clientTlsCert) : undefined;
const limits = { maxConnections: 10_000, maxConnectionsPerAddress: 10_000, identifyTimeout: 0 };
const server = new WebServer({
  ...{ listen: '127.0.0.1:0', acceptQueue: 511, maxStreamsPerConnection: 100, requestTimeout: 30_000 },
  ...{ origins: [], certificates, pages: undefined, onDefect: report },
  api: new ConformanceApi(pipeline, [SERVICE], toBinary(FileDescriptorSetSchema, set)),
  arrivals: new Arrivals({ ...limits, keepaliveInterval: 30_000, keepaliveTimeout: 20_000 }),
  connections: new Connections({ changed() {}, refused() {} }),
});
await server.start();
const [host, port] = server.address.split(':');
const answer = { host, port: Number(port), pemCert: wish.useTls ? wish.serverCreds.cert : new Uint8Array() };
const bytes = toBinary(messageOf('ServerCompatResponse'), {
  $typeName: 'connectrpc.conformance.v1.ServerCompatResponse',
  ...answer,
} as never);
const length = Buffer.alloc(4);
length.writeUInt32BE(bytes.length);
process.stdout.write(Buffer.concat([length, bytes]));
process.once('SIGTERM', () => process.exit());

async function readMessage(): Promise<Buffer> {
  let read = Buffer.alloc(0);
  while (read.length < 4 || read.length < 4 + read.readUInt32BE(0)) {
    const { value, done } = await stdin.next();
    if (done) throw new Error('stdin ended before the request');
    read = Buffer.concat([read, value]);
  }
  return read.subarray(4, 4 + read.readUInt32BE(0));
}

async function openCertificates(
  { cert, key }: { readonly cert: Uint8Array; readonly key: Uint8Array },
  clientCert: Uint8Array,
): Promise<Certificates> {
  const folder = mkdtempSync(join(tmpdir(), 'chord-connect-'));
  const write = (name: string, pem: Uint8Array) => {
    if (pem.length === 0) return '';
    writeFileSync(join(folder, name), pem);
    return join(folder, name);
  };
  const files = { cert: write('cert', cert), key: write('key', key), clientCa: write('client', clientCert) };
  const opened = await Certificates.open({ files, onLoaded() {}, onRefused: report, onExpiring() {} });
  opened.close();
  rmSync(folder, { recursive: true });
  return opened;
}

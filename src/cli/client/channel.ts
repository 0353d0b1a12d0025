/**
 * The gRPC channel of the client commands: TLS credentials, trusted authorities, and hints for a connection that fails.
 */
import { readFileSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { type ChannelCredentials, type ChannelOptions, credentials } from '@grpc/grpc-js';
import { Usage } from '../errors.js';
import { parseFlag } from '../input/parse.js';
import type { ConnectionOptions } from './connection.js';

/** @throws Usage for an invalid file */
export function channelOf(options: ConnectionOptions): [ChannelCredentials, ChannelOptions] {
  if (!usesTls(options)) return [credentials.createInsecure(), {}];
  const { ca, clientCert, clientKey, serverName } = options;
  if ((clientCert === undefined) !== (clientKey === undefined)) {
    throw new Usage('--client-cert and --client-key are needed together');
  }
  process.noDeprecation = true; // Node's deprecation warning of addresses as server names would appear among the results
  const context = createSecureContext({
    ...(ca !== undefined && { ca: read('--ca', ca, 'CERTIFICATE') }),
    ...own(clientCert, clientKey),
    minVersion: 'TLSv1.2',
  });
  return [
    credentials.createFromSecureContext(context),
    serverName ? { 'grpc.ssl_target_name_override': serverName } : {},
  ];
}

function usesTls({ tls, ca, clientCert, clientKey, serverName }: ConnectionOptions): boolean {
  if (tls || (ca ?? clientCert ?? clientKey ?? serverName) !== undefined) return true;
  const { CHORD_TLS } = process.env;
  try {
    return CHORD_TLS !== undefined && parseFlag(CHORD_TLS);
  } catch (error) {
    throw new Usage(`CHORD_TLS: ${(error as Error).message}`);
  }
}

function own(certFile: string | undefined, keyFile: string | undefined): { cert?: Buffer; key?: Buffer } {
  if (certFile === undefined || keyFile === undefined) return {};
  const pair = {
    cert: read('--client-cert', certFile, 'CERTIFICATE'),
    key: read('--client-key', keyFile, 'PRIVATE KEY'),
  };
  try {
    createSecureContext(pair);
  } catch (error) {
    throw new Usage(`--client-cert ${certFile} and --client-key ${keyFile} do not fit: ${(error as Error).message}`);
  }
  return pair;
}

function read(flag: string, path: string, what: string): Buffer {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw new Usage(`${flag}: cannot read ${path}: ${(error as Error).message}`);
  }
  if (!bytes.includes(`${what}-----`)) throw new Usage(`${flag}: ${path} holds no ${what.toLowerCase()} in PEM form`);
  return bytes;
}

/** A hint for a server that could not be reached, by the error of the network or TLS. */
export function unreachableHint(said: string, options: ConnectionOptions): string {
  const called = `called ${options.address}`;
  if (/wrong version number|packet length too long/.test(said)) return `${called} with TLS; does it serve plain text?`;
  if (/alert certificate required|handshake failure/.test(said)) {
    return `${called}; it wants a certificate: --client-cert FILE --client-key FILE`;
  }
  if (/certificate has expired/.test(said)) return `${called}; its certificate must be renewed`;
  if (/altnames/.test(said)) return `${called}; which name does its certificate have? say --server-name NAME`;
  if (/unable to (?:verify|get)|self.signed certificate/.test(said)) {
    return `${called}; name the authority that signed its certificate: --ca FILE`;
  }
  // The server closed the connection without an alert: TLS does so for plain text, and Node for certificates that it
  // refuses.
  if (/Failed to connect|socket hang up|ECONNRESET|disconnected/.test(said)) {
    if (!usesTls(options)) return `${called} without TLS, and it hung up; if it serves TLS, say --tls or --ca FILE`;
    return `${called}, and it hung up; does it accept ${options.clientCert ?? 'clients without a certificate'}?`;
  }
  return `${called}; is the server there? start one with: chord serve`;
}

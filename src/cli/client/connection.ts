/**
 * The options of every command that calls a server: its address and how to connect. Their environment variables are not
 * settings of the server.
 */
import type { Option } from 'commander';
import { Usage } from '../errors.js';
import { option } from '../input/option.js';
import { parseMs } from '../input/parse.js';

export interface ConnectionOptions {
  /** HOST:PORT */
  readonly address: string;
  /** Timeout of each unary call, in milliseconds. */
  readonly timeout: number;
  readonly tls?: boolean;
  /** Paths of PEM files. */
  readonly ca?: string;
  readonly clientCert?: string;
  readonly clientKey?: string;
  readonly serverName?: string;
  /** Path of the file with the token. */
  readonly tokenFile?: string;
}

/** 100 years in milliseconds, as a time to live; gRPC fails beyond what a date can be. */
const TIMEOUT_MAX = 36_525 * 86_400_000;

/** gRPC itself takes 443, whatever the server is. An URI that names a resolver (dns:///, unix:) stays as it is. */
function withPort(address: string): string {
  const [, host, port = '50051'] = /^([^\s:[\]/]+|\[[0-9a-fA-F:.%]+\])(?::(\d{1,5}))?$/.exec(address) ?? [];
  if (host !== undefined && Number(port) > 0 && Number(port) < 2 ** 16) return `${host}:${port}`;
  if (/^(?:dns|unix|unix-abstract|ipv4|ipv6|xds):(?!\d+$)|:\/\/\//.test(address)) return address;
  throw new Usage(`expected HOST:PORT or HOST, got "${address}"; an IPv6 address stands in brackets: [::1]:50051`);
}

function parseTimeout(text: string): number {
  const ms = parseMs(text);
  if (ms > TIMEOUT_MAX) throw new Usage(`expected at most 100 years, got "${text}"`);
  return ms;
}

export function connectionOptions(): Option[] {
  return [
    option('--address <host:port>', 'server to call; the default port is 50051', withPort)
      .env('CHORD_ADDRESS')
      .default('127.0.0.1:50051'),
    option('--timeout <duration>', 'timeout of each call', parseTimeout).env('CHORD_TIMEOUT').default(10_000, '10s'),
    option('--tls', 'use TLS; implied by the options below (env: CHORD_TLS=true)'),
    option('--ca <file>', 'PEM of the authorities to trust, instead of the public ones').env('CHORD_CA'),
    option('--client-cert <file>', 'PEM of the client certificate').env('CHORD_CLIENT_CERT'),
    option('--client-key <file>', 'PEM of the private key of the client certificate').env('CHORD_CLIENT_KEY'),
    option('--server-name <name>', "name in the server's certificate, where the address has another").env(
      'CHORD_SERVER_NAME',
    ),
    option('--token-file <file>', 'file with the token to send (env: CHORD_TOKEN, the token itself)').env(
      'CHORD_TOKEN_FILE',
    ),
  ];
}

/** How the server is reached: with TLS or without, whether that is safe where it listens, and whether it can listen there. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Logger } from 'pino';
import { type Config, ConfigError } from '../config/config.js';
import { ChordError } from '../model/errors.js';
import { Certificates } from '../tls/certificates.js';
import type { CertificateInfo } from '../tls/pem.js';
import { isLoopback } from './loopback.js';

/**
 * The certificates to serve with, where some are set.
 * @param authenticated whether callers must say who they are, beside what the settings of TLS ask
 * @throws ConfigError where others could do what they should not, and no setting allows it; UNAVAILABLE where a port is
 *   in use, before anything is created or opened
 */
export async function openTransport(
  config: Config,
  authenticated: boolean,
  log: Logger,
): Promise<Certificates | undefined> {
  const { tlsCert: cert, tlsKey: key, tlsClientCa: clientCa, listen, webListen } = config;
  const encrypted = cert !== '';
  if (encrypted !== (key !== '')) throw new ConfigError(['tlsCert and tlsKey are needed together']);
  if (clientCa !== '' && !encrypted) throw new ConfigError(['tlsClientCa needs tlsCert and tlsKey']);
  const open = exposure(encrypted, authenticated || clientCa !== '');
  for (const address of [listen, webListen]) {
    if (!open || address === 'off' || isLoopback(address)) continue;
    if (!config.insecure) {
      const otherwise = 'Listen on 127.0.0.1, or set --insecure if every host on the network may do that';
      throw new ConfigError([`${address} is beyond loopback, and others could ${open}. ${otherwise}; see docs/tls.md`]);
    }
    log.warn(`insecure: ${address} is beyond loopback, and others can ${open}`);
  }
  checkMetrics(config);
  for (const address of [listen, webListen, config.metricsListen]) await checkPort(address);
  if (!encrypted) return undefined;
  return Certificates.open({
    files: { cert, key, clientCa },
    onLoaded: (info) => log.info(shown(info), 'certificate loaded'),
    onRefused: ({ message }) =>
      log.error({ reason: message }, 'keeping the current certificates: the files on disk are invalid'),
    onExpiring: (info) => log.warn(shown(info), 'the certificate expires soon and has not been renewed'),
  });
}

/** Metrics are plain HTTP and ask no caller who it is. */
function checkMetrics({ metricsListen, metricsInsecure, insecure }: Config): void {
  if (metricsListen === 'off' || isLoopback(metricsListen) || metricsInsecure || insecure) return;
  const otherwise = 'Listen on 127.0.0.1, or say --metrics-insecure where everybody in the network may read them';
  throw new ConfigError([`metrics on ${metricsListen} are beyond loopback, without encryption. ${otherwise}`]);
}

/** Listens for a moment: a server whose port is in use must not leave a data directory behind. */
async function checkPort(address: string): Promise<void> {
  const colon = address.lastIndexOf(':');
  const port = Number(address.slice(colon + 1));
  if (address === 'off' || port === 0) return;
  const server = createServer().listen(port, address.slice(0, colon).replace(/^\[|\]$/g, ''));
  try {
    await once(server, 'listening');
  } catch (error) {
    throw new ChordError('UNAVAILABLE', `cannot listen on ${address}: ${(error as Error).message}`, { cause: error });
  }
  await new Promise((resolve) => server.close(resolve));
}

function exposure(encrypted: boolean, authenticated: boolean): string | undefined {
  const open = [
    ...(encrypted ? [] : ['read the traffic (no TLS: set tlsCert and tlsKey)']),
    ...(authenticated
      ? []
      : ['read and write all contexts (no authentication: set authTokens, authJwks or tlsClientCa)']),
  ];
  return open.length > 0 ? open.join(' and ') : undefined;
}

function shown({ subject, names, issuer, notAfter }: CertificateInfo): object {
  return { subject, names, issuer, notAfter };
}

/** How the server listens: with TLS or without, and whether that is safe at its address. */
import type { Logger } from 'pino';
import { type Config, ConfigError } from '../config/config.js';
import { Certificates } from '../tls/certificates.js';
import type { CertificateInfo } from '../tls/pem.js';
import { isLoopback } from './loopback.js';

/**
 * The certificates to serve with; undefined: no TLS.
 * @param authenticated whether callers must authenticate, beside what the TLS settings demand
 * @throws ConfigError where the server would be open to other machines without authentication or encryption, unless
 * `insecure` is set
 */
export async function openTransport(
  config: Config,
  authenticated: boolean,
  log: Logger,
): Promise<Certificates | undefined> {
  const { tlsCert: cert, tlsKey: key, tlsClientCa: clientCa, listen } = config;
  const encrypted = cert !== '';
  if (encrypted !== (key !== '')) throw new ConfigError(['tlsCert and tlsKey are needed together']);
  if (clientCa !== '' && !encrypted) throw new ConfigError(['tlsClientCa needs tlsCert and tlsKey']);
  const open = isLoopback(listen) ? undefined : exposure(encrypted, authenticated || clientCa !== '');
  if (open && !config.insecure) {
    const otherwise = 'Listen on 127.0.0.1, or set --insecure if every host on the network may do that';
    throw new ConfigError([`${listen} is beyond loopback, and others could ${open}. ${otherwise}; see docs/tls.md`]);
  }
  if (open) log.warn(`insecure: ${listen} is beyond loopback, and others can ${open}`);
  if (!encrypted) return undefined;
  return Certificates.open({
    files: { cert, key, clientCa },
    onLoaded: (info) => log.info(shown(info), 'certificate loaded'),
    onRefused: ({ message }) =>
      log.error({ reason: message }, 'keeping the current certificates: the files on disk are invalid'),
    onExpiring: (info) => log.warn(shown(info), 'the certificate expires soon and has not been renewed'),
  });
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

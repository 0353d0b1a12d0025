/** TLS of the server: new connections get the current certificate, open connections keep theirs. */
import { ServerCredentials } from '@grpc/grpc-js';
import type { Certificates } from '../tls/certificates.js';

/** An unfinished TLS handshake may hold a socket for this long, in milliseconds. */
const HANDSHAKE_TIMEOUT = 10_000;

export function serverCredentials(certificates: Certificates | undefined): ServerCredentials {
  return certificates ? new TlsCredentials(certificates) : ServerCredentials.createInsecure();
}

class TlsCredentials extends ServerCredentials {
  constructor(certificates: Certificates) {
    const { asksClients, context } = certificates;
    const handshakeTimeout = HANDSHAKE_TIMEOUT;
    super({ requestCert: asksClients, rejectUnauthorized: asksClients, handshakeTimeout }, context);
    certificates.onChange((context) => this.updateSecureContextOptions(context));
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}

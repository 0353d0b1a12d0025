/** The identity in the client certificate of a connection. */
import { certificateIdentity } from '../auth/certificate.js';
import type { Identity } from '../auth/identity.js';
import type { CallFor } from './call.js';

/** By connection: parsing a certificate costs as much as a call. */
const known = new WeakMap<object, { readonly identity: Identity | undefined }>();

/** Undefined without a verified certificate, or where no name in the certificate is a valid identity. */
export function peerIdentity(call: CallFor): Identity | undefined {
  const { connection } = call;
  const found = connection && known.get(connection);
  if (found) return found.identity;
  const certificate = call.getAuthContext().sslPeerCertificate;
  const identity = certificate && certificateIdentity(certificate);
  // Where the connection is unknown, each call parses the certificate anew.
  if (connection) known.set(connection, { identity });
  return identity;
}

/** Whom the client certificate of a connection names. */
import { certificateIdentity } from '../auth/certificate.js';
import type { Identity } from '../auth/identity.js';
import type { CallFor } from './call.js';

/** By connection: to take a certificate apart costs as much as a call. */
const known = new WeakMap<object, { readonly identity: Identity | undefined }>();

/** Undefined without a certificate that was verified, or where it has no name that is fit for an identity. */
export function peerIdentity(call: CallFor): Identity | undefined {
  const { connection } = call;
  const found = connection && known.get(connection);
  if (found) return found.identity;
  const certificate = call.getAuthContext().sslPeerCertificate;
  const identity = certificate && certificateIdentity(certificate);
  // Where the connection cannot be told, each call looks at the certificate anew.
  if (connection) known.set(connection, { identity });
  return identity;
}

/** Whom the client certificate of a connection names. */
import type { ServerSurfaceCall } from '@grpc/grpc-js/build/src/server-call.js';
import { certificateIdentity } from '../access/certificate.js';
import type { Identity } from '../access/identity.js';

/** By connection: to take a certificate apart costs as much as a call. */
const known = new WeakMap<object, { readonly identity: Identity | undefined }>();

/** Undefined without a certificate that was verified, or where it has no name that is fit for an identity. */
export function peerIdentity(rpc: Pick<ServerSurfaceCall, 'getAuthContext'>): Identity | undefined {
  const connection = connectionOf(rpc);
  const found = connection && known.get(connection);
  if (found) return found.identity;
  const certificate = rpc.getAuthContext().sslPeerCertificate;
  const identity = certificate && certificateIdentity(certificate);
  if (connection) known.set(connection, { identity });
  return identity;
}

/** gRPC does not show it. Should it be elsewhere one day, each call looks at the certificate anew. */
function connectionOf(rpc: object): object | undefined {
  return (rpc as { call?: { stream?: { session?: object } } }).call?.stream?.session;
}

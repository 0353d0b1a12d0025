/** Calls over HTTP/2 as no client library makes them: headers, then pieces of a request, or nothing. */
import http2, { type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import type { ExecutionContext } from 'ava';

export function dial(t: ExecutionContext, address: string): ClientHttp2Session {
  const session = http2.connect(`http://${address}`, { maxSessionMemory: 1000 });
  session.on('error', () => {});
  t.teardown(() => session.destroy());
  return session;
}

export interface RawCall {
  readonly stream: ClientHttp2Stream;
  /** The status, when the server has said it, or what the stream was reset with. */
  readonly status: Promise<string>;
  readonly closed: Promise<unknown>;
}

/** A call that has sent its headers. */
export function open(session: ClientHttp2Session, path: string, extra: Record<string, string> = {}): RawCall {
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...extra,
  });
  stream.on('error', () => {});
  stream.resume();
  const closed = new Promise((resolve) => stream.on('close', resolve));
  const status = new Promise<string>((resolve) => {
    const look = (headers: { readonly [name: string]: unknown }) => {
      if (headers['grpc-status'] !== undefined) resolve(String(headers['grpc-status']));
    };
    stream.on('response', look).on('trailers', look);
    stream.on('close', () => resolve(`reset ${stream.rstCode}`));
  });
  return { stream, status, closed };
}

/** A message as gRPC frames it. */
export function framed(bytes: Uint8Array, packed = false): Buffer {
  const head = Buffer.alloc(5);
  head[0] = packed ? 1 : 0;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

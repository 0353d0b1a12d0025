/**
 * gRPC over plain http2, with ready bytes in and out: the load generator shares the machine with the server under
 * test, so it should do little. Chord and whatever it is compared with are driven by this same client.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { patchSession } from '../src/grpc/node-http2.js';

const WINDOW_BYTES = 1 << 20;

export interface Security {
  /** Of the authority that signed the server's certificate, in PEM. Absent: no TLS. */
  readonly ca?: string | undefined;
  /** Sent with each call. */
  readonly token?: string | undefined;
}

export class Connection {
  static open(address: string, { ca, token }: Security = {}): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const session = ca === undefined ? connect(`http://${address}`) : connect(`https://${address}`, { ca });
      session.once('error', reject);
      session.once('connect', () => {
        // Of the whole connection; each stream keeps the 64 KiB that gRPC clients have by default.
        session.setLocalWindowSize(WINDOW_BYTES);
        patchSession(session);
        resolve(new Connection(session, token === undefined ? {} : { authorization: `Bearer ${token}` }));
      });
    });
  }

  private constructor(
    private readonly session: ClientHttp2Session,
    private readonly metadata: Readonly<Record<string, string>>,
  ) {
    session.on('error', () => {});
  }

  /** One request, one answer. Rejects with the status where it is not OK. */
  unary(path: string, body: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let answer = NOTHING;
      this.stream(
        path,
        (bytes) => {
          answer = bytes;
        },
        body,
      ).ended.then(() => resolve(answer), reject);
    });
  }

  /** `onMessage` gets each message. With `body` the request ends after it, as for a server stream. */
  stream(path: string, onMessage: (bytes: Buffer) => void, body?: Uint8Array): Stream {
    const stream = this.session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...this.metadata,
    });
    if (body) stream.end(frame(body));
    return new Stream(stream, onMessage);
  }

  close(): void {
    this.session.destroy();
  }
}

export class Stream {
  /** Resolves when the call ended with OK. */
  readonly ended: Promise<void>;
  #rest: Buffer = NOTHING;

  constructor(
    private readonly stream: ClientHttp2Stream,
    private readonly onMessage: (bytes: Buffer) => void,
  ) {
    let status: unknown;
    let message: unknown;
    const read = (headers: Record<string, unknown>) => {
      status ??= headers['grpc-status'];
      message ??= headers['grpc-message'];
    };
    stream.on('response', read);
    stream.on('trailers', read);
    stream.on('data', (chunk: Buffer) => this.#data(chunk));
    this.ended = new Promise((resolve, reject) => {
      stream.on('error', reject);
      stream.on('close', () => {
        if (status === '0') resolve();
        else reject(new Error(`gRPC status ${status ?? 'missing'}: ${decodeURIComponent(String(message ?? ''))}`));
      });
    });
    this.ended.catch(() => {});
  }

  write(body: Uint8Array): void {
    this.stream.write(frame(body));
  }

  /** Stops reading: what the server sends fills the window and stays there. */
  stall(): void {
    this.stream.pause();
  }

  cancel(): void {
    this.stream.close(8);
  }

  #data(chunk: Buffer): void {
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    while (bytes.length >= 5) {
      const end = 5 + bytes.readUInt32BE(1);
      if (bytes.length < end) break;
      this.onMessage(bytes.subarray(5, end));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
  }
}

const NOTHING: Buffer = Buffer.alloc(0);

function frame(body: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(5 + body.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(body.length, 1);
  bytes.set(body, 5);
  return bytes;
}

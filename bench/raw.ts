/**
 * A connection with one gRPC stream, or one call at a time, on a socket of its own: HTTP/2 with just what that takes. A
 * thousand sessions of Node's http2 in the load generator would cost more than those of the server, and be measured as its
 * latency; so would a single one beside peers whose protocols are lines of text.
 */
import { connect, type Socket } from 'node:net';

const [DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY] = [0, 1, 3, 4, 6, 7];
const [ACK, END_STREAM, END_HEADERS] = [1, 1, 4];
const HEAD_BYTES = 9;
const WINDOW_BYTES = 2 ** 30;

const PREFACE = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  // The initial window of a stream, and that of the connection: neither is ever opened again.
  frame(SETTINGS, 0, 0, Buffer.of(0, 4, ...bytesOf(WINDOW_BYTES))),
  frame(8, 0, 0, Buffer.of(...bytesOf(WINDOW_BYTES))),
]);

export class RawConnection {
  #rest: Buffer = NOTHING;
  #message: Buffer = NOTHING;
  #onMessage: (bytes: Buffer) => void = () => {};
  #open: () => void;
  #end: () => void = () => {};
  #stream = -1;

  /** Resolves when the server has sent its settings. */
  static open(address: string): Promise<RawConnection> {
    const [host, port] = address.split(':') as [string, string];
    return new Promise((resolve, reject) => {
      const socket = connect({ host, port: Number(port), noDelay: true });
      socket.once('error', reject);
      const connection: RawConnection = new RawConnection(socket, () => resolve(connection));
    });
  }

  private constructor(
    readonly socket: Socket,
    open: () => void,
  ) {
    this.#open = open;
    socket.on('data', (chunk) => this.#data(chunk));
    socket.on('error', () => {});
    socket.on('close', () => this.#close());
    socket.write(PREFACE);
  }

  /** The one stream of the connection; `ended` rejects when the server ends it. */
  stream(path: string, onMessage: (bytes: Buffer) => void, body: Uint8Array = NOTHING) {
    this.#onMessage = onMessage;
    this.#send(path, body);
    const ended = new Promise<void>((_, reject) => {
      this.#end = () => reject(new Error(`the server has ended ${path}`));
    });
    ended.catch(() => {});
    return { ended, cancel: () => this.close() };
  }

  /** The answer of a call; the one before must have ended. Rejects where there is none. */
  unary(path: string, body: Uint8Array): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      let answer: Buffer | undefined;
      this.#onMessage = (bytes) => {
        answer = bytes;
      };
      this.#end = () => (answer ? resolve(answer) : reject(new Error(`no answer to ${path}`)));
      this.#send(path, body);
    });
  }

  close(): void {
    this.socket.destroy();
  }

  #send(path: string, body: Uint8Array): void {
    this.#stream += 2;
    const message = Buffer.concat([Buffer.of(0, ...bytesOf(body.length)), body]);
    const headers = frame(HEADERS, END_HEADERS, this.#stream, headersOf(path));
    this.socket.write(Buffer.concat([headers, frame(DATA, END_STREAM, this.#stream, message)]));
  }

  #close(): void {
    this.#end();
  }

  #data(chunk: Buffer): void {
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    while (bytes.length >= HEAD_BYTES) {
      const end = HEAD_BYTES + bytes.readUIntBE(0, 3);
      if (bytes.length < end) break;
      this.#frame(bytes[3]!, bytes[4]!, bytes.subarray(HEAD_BYTES, end));
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
  }

  #frame(type: number, flags: number, payload: Buffer): void {
    if (type === DATA) this.#messages(payload);
    else if (type === SETTINGS && !(flags & ACK)) {
      this.socket.write(frame(SETTINGS, ACK, 0, NOTHING));
      this.#open();
    } else if (type === PING && !(flags & ACK)) this.socket.write(frame(PING, ACK, 0, payload));
    if (type === RESET || type === GOAWAY || ((type === HEADERS || type === DATA) && flags & END_STREAM)) this.#close();
  }

  /** Of the stream: messages do not keep to frames. */
  #messages(payload: Buffer): void {
    let bytes = this.#message.length > 0 ? Buffer.concat([this.#message, payload]) : payload;
    while (bytes.length >= 5) {
      const end = 5 + bytes.readUInt32BE(1);
      if (bytes.length < end) break;
      this.#onMessage(bytes.subarray(5, end));
      bytes = bytes.subarray(end);
    }
    this.#message = bytes;
  }
}

const NOTHING: Buffer = Buffer.alloc(0);

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** POST and http stand in the static table of HPACK; the rest is literal, and no name is kept for later. */
function headersOf(path: string): Buffer {
  const text = (value: string): Buffer => Buffer.concat([Buffer.of(value.length), Buffer.from(value)]);
  const named = (name: string, value: string) => Buffer.concat([Buffer.of(0), text(name), text(value)]);
  const pseudo = [Buffer.of(0x83, 0x86, 0x04), text(path), Buffer.of(0x01), text('localhost')];
  return Buffer.concat([...pseudo, named('content-type', 'application/grpc'), named('te', 'trailers')]);
}

function bytesOf(value: number): number[] {
  return [value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255];
}

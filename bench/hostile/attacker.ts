/**
 * A caller that speaks as it likes, on plain http2: with or without a token, packed, in halves. What the server answers
 * is counted and not kept, so that large answers cost this side little.
 */
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { WATCH } from '../requests.js';

const WINDOW_BYTES = 16 << 20;
/** Of the body: a flag, the length of the message, and the tag of its first field. */
const HEAD_BYTES = 6;

export interface Answer {
  /** As gRPC names it, or `CUT OFF`: the stream ended without a status. */
  readonly code: string;
  readonly message: string;
  /** Of all messages with their frames. */
  readonly bytes: number;
  /** The number of the first field of the first message: of a sync, which kind of answer it is. 0: there was no message. */
  readonly field: number;
  /** The last message, where it was asked for. */
  readonly body: Buffer;
}

export interface How {
  readonly gzip?: boolean;
  /** Keep the body of a unary answer. */
  readonly keep?: boolean;
  /** The stream stays open on the client's side, as of a client that has more to say. */
  readonly open?: boolean;
}

export class Attacker {
  readonly #session: ClientHttp2Session;

  constructor(
    address: string,
    private readonly token?: string,
    window = WINDOW_BYTES,
  ) {
    this.#session = connect(`http://${address}`, { settings: { initialWindowSize: window } });
    this.#session.on('error', () => {});
    this.#session.once('connect', () => this.#session.setLocalWindowSize(window));
  }

  /** One call with one message, to its end. Never rejects. */
  call(path: string, message: Uint8Array, how: How = {}): Promise<Answer> {
    return this.send(path, frame(message, how.gzip), how);
  }

  /** One call with these bytes as its body. */
  send(path: string, body: Uint8Array, how: How = {}): Promise<Answer> {
    if (this.#session.destroyed) return Promise.resolve({ ...CUT_OFF });
    const stream = this.open(path, how.gzip);
    const answer = ended(stream, how.keep);
    if (how.open) stream.write(body);
    else stream.end(body);
    return answer;
  }

  /** A call of which only the headers are sent. */
  open(path: string, gzip = false): ClientHttp2Stream {
    const stream = this.#session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...(gzip && { 'grpc-encoding': 'gzip' }),
      ...(this.token !== undefined && { authorization: `Bearer ${this.token}` }),
    });
    stream.on('error', () => {});
    return stream;
  }

  watch(message: Uint8Array): Watching {
    const stream = this.open(WATCH);
    stream.end(frame(message));
    return new Watching(stream);
  }

  close(): void {
    this.#session.destroy();
  }
}

/** A watch that counts what comes. */
export class Watching {
  /** Says what came until it had caught up, or how it was refused. */
  readonly caughtUp: Promise<string>;
  /** Of whole messages so far. */
  events = 0;
  readonly #waiting = new Set<() => void>();
  #rest: Buffer = Buffer.alloc(0);
  #over = false;

  constructor(stream: ClientHttp2Stream) {
    let bytes = 0;
    this.caughtUp = new Promise((resolve) => {
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
        const caughtUp = this.#read(chunk);
        if (caughtUp) resolve(`caught up after ${this.events - 1} events, ${size(bytes)}`);
      });
      void ended(stream).then((answer) => {
        resolve(told(answer));
        this.#over = true;
        this.#wake();
      });
    });
  }

  /** Resolves when so many messages have come, or the stream has ended. */
  async heard(events: number): Promise<void> {
    while (this.events < events && !this.#over) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  /** Whether one of the messages says that the watch has caught up. */
  #read(chunk: Buffer): boolean {
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let caughtUp = false;
    while (bytes.length >= 5) {
      const end = 5 + bytes.readUInt32BE(1);
      if (bytes.length < end) break;
      this.events++;
      caughtUp ||= bytes[5] === CAUGHT_UP_TAG;
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
    this.#wake();
    return caughtUp;
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

/** The first byte of a WatchContextsResponse with `caught_up`. */
const CAUGHT_UP_TAG = 0x2a;

const CUT_OFF: Answer = { code: 'CUT OFF', message: '', bytes: 0, field: 0, body: Buffer.alloc(0) };

/** Resolves when a stream has closed, whatever closed it. */
export function ended(stream: ClientHttp2Stream, keep = false): Promise<Answer> {
  let [code, message, bytes]: [string | undefined, string, number] = [undefined, '', 0];
  const head = Buffer.alloc(HEAD_BYTES);
  const kept: Buffer[] = [];
  const read = (headers: Record<string, unknown>) => {
    code ??= headers['grpc-status'] as string | undefined;
    message ||= String(headers['grpc-message'] ?? '');
  };
  stream.on('response', read);
  stream.on('trailers', read);
  stream.on('data', (chunk: Buffer) => {
    if (bytes < HEAD_BYTES) chunk.copy(head, bytes);
    bytes += chunk.length;
    if (keep) kept.push(chunk);
  });
  return new Promise((resolve) => {
    stream.once('close', () => {
      const name = code === undefined ? 'CUT OFF' : (status[Number(code)] ?? code);
      const body = Buffer.concat(kept).subarray(5);
      resolve({ code: name, message: decodeURIComponent(message), bytes, field: head[5]! >> 3, body });
    });
  });
}

/** A message as gRPC frames it. */
export function frame(message: Uint8Array, gzip = false): Buffer {
  const body = gzip ? gzipSync(message) : message;
  const bytes = Buffer.allocUnsafe(5 + body.length);
  bytes[0] = gzip ? 1 : 0;
  bytes.writeUInt32BE(body.length, 1);
  bytes.set(body, 5);
  return bytes;
}

/** What several calls were answered, in one line: `3 x OK, 1 x CUT OFF`. */
export function tally(answers: readonly Answer[], kinds?: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const answer of answers) {
    const said = told(answer, kinds);
    counts.set(said, (counts.get(said) ?? 0) + 1);
  }
  return [...counts].map(([said, count]) => (answers.length === 1 ? said : `${count} x ${said}`)).join(', ');
}

/** One answer; `kinds` are names of its first field, from 1. */
export function told({ code, message, bytes, field }: Answer, kinds: readonly string[] = []): string {
  if (code !== 'OK') return message === '' ? code : `${code} (${message.slice(0, 90)})`;
  const kind = kinds[field - 1];
  return `OK${kind ? ` ${kind}` : ''}, ${size(bytes)}`;
}

export const SYNC_KINDS = ['full', 'delta', 'no change'];

export function size(bytes: number): string {
  if (bytes < 1e4) return `${bytes} B`;
  return bytes < 1e6 ? `${Math.round(bytes / 1e3)} KB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

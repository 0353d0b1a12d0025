/**
 * A call that a worker has received, as the call pipeline of the engine sees it: the pipeline answers it as it answers a
 * call of grpc-js. The worker has received the whole request, decompressed it, and keeps the deadline.
 */
import { Metadata, type ServerInterceptingCall, type StatusObject, status } from '@grpc/grpc-js';
import type { Certificate } from '../auth/certificate.js';
import type { Inner } from '../grpc/node-http2.js';

/** A connection of a worker: what quotas, certificates and limits are kept by. */
export interface RemoteConnection {
  readonly number: number;
  readonly peer: string;
  readonly certificate: Certificate | undefined;
}

/** A method, as grpc-js would know it. */
export interface RemoteMethod {
  readonly streams: boolean;
  readonly decode: (message: Buffer) => unknown;
}

/** Where answers go. */
export interface Answers {
  /** The worker should go on reading the request. */
  read(call: number): void;
  message(call: number, message: Uint8Array): void;
  /** The message of a unary call, and the status OK. */
  answer(call: number, message: Uint8Array): void;
  end(call: number, code: number, details: string, metadata: Metadata | undefined): void;
}

type Listener = Parameters<Inner['start']>[0];

export class RemoteCall {
  #listener: Listener | undefined;
  readonly #messages: Buffer[] = [];
  #complete = false;
  #wanted = false;
  #asked = false;
  /** The answer of a unary call, until its status. */
  #answer: Uint8Array | undefined;
  /** Called when each message has left the worker, in order. */
  readonly #waiting: (() => void)[] = [];

  constructor(
    private readonly number: number,
    private readonly metadata: Metadata,
    private readonly connection: RemoteConnection,
    private readonly method: RemoteMethod,
    private readonly answers: Answers,
    /** The call is over, for the engine. */
    private readonly ended: (number: number) => void,
  ) {}

  // What the worker says.

  onBody(message: Buffer, last: boolean): void {
    this.#messages.push(message);
    this.onComplete(last);
  }

  onComplete(last: boolean): void {
    this.#complete ||= last;
    this.#deliver();
  }

  /** @param count messages that have left the worker */
  onLeft(count: number): void {
    for (let i = 0; i < count; i++) this.#waiting.shift()?.();
  }

  onCancel(): void {
    this.#listener?.onCancel();
  }

  // What the pipeline calls, as of grpc-js.

  start(listener: Listener): void {
    this.#listener = listener;
    listener.onReceiveMetadata(this.metadata);
  }

  startRead(): void {
    this.#wanted = true;
    this.#deliver();
  }

  sendMetadata(): void {}

  sendMessage(bytes: Uint8Array, callback: () => void): void {
    if (!this.method.streams) this.#answer = bytes;
    else {
      this.#waiting.push(callback);
      this.answers.message(this.number, bytes);
    }
  }

  sendStatus({ code, details, metadata }: Partial<StatusObject>): void {
    if (this.#answer && code === status.OK && !metadata) this.answers.answer(this.number, this.#answer);
    else this.answers.end(this.number, code ?? status.UNKNOWN, details ?? '', metadata ?? undefined);
    this.ended(this.number);
  }

  getPeer(): string {
    return this.connection.peer;
  }

  getAuthContext(): ReturnType<ServerInterceptingCall['getAuthContext']> {
    const { certificate } = this.connection;
    return certificate ? { transportSecurityType: 'ssl', sslPeerCertificate: certificate as never } : {};
  }

  #receive(message: Buffer): void {
    let decoded: unknown;
    try {
      decoded = this.method.decode(message);
    } catch {
      this.sendStatus({ code: status.INTERNAL, details: 'Error deserializing request' });
      this.onCancel();
      return;
    }
    this.#listener?.onReceiveMessage(decoded);
  }

  #deliver(): void {
    if (!this.#wanted) return;
    const message = this.#messages.shift();
    if (message) {
      this.#wanted = false;
      this.#receive(message);
    } else if (this.#complete) {
      this.#wanted = false;
      this.#listener?.onReceiveHalfClose();
    } else if (!this.#asked) {
      this.#asked = true;
      this.answers.read(this.number);
    }
  }
}

/** Metadata of calls as text; most calls of a connection have the same. */
export function metadataText(metadata: Metadata): string {
  const headers = metadata.toHttp2Headers();
  for (const _ in headers) return JSON.stringify(headers);
  return '';
}

const KEPT_MAX = 1000;
const kept = new Map<string, Metadata>();

export function metadataOf(text: string): Metadata {
  if (text === '') return new Metadata();
  let metadata = kept.get(text);
  if (!metadata) {
    metadata = Metadata.fromHttp2Headers(JSON.parse(text));
    if (kept.size === KEPT_MAX) kept.clear();
    kept.set(text, metadata);
  }
  return metadata;
}

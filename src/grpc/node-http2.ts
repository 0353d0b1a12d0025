/**
 * All that Chord uses of grpc-js and of Node's http2 without being promised it, each with what it is for and what happens
 * where it is not found. test/grpc/node-http2.test.ts sees whether it is there and still has its effect.
 */
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { ServerInterceptingCall } from '@grpc/grpc-js';

/** What an interceptor is given: the call as grpc-js itself answers it. */
export type Inner = ConstructorParameters<typeof ServerInterceptingCall>[0];

function streamOf(call: Inner): ServerHttp2Stream | undefined {
  return (call as { stream?: ServerHttp2Stream }).stream;
}

/** The same object for all calls of a connection. Undefined: not known, and then there is no quota for connections. */
export function connectionOf(call: Inner): object | undefined {
  return streamOf(call)?.session;
}

/** What takes the bytes of a request in place of grpc-js. */
export interface Receiver {
  onData(bytes: Buffer): void;
  /** No more comes. */
  onDataEnd(): void;
}

/** Of the inside of grpc-js' call. */
interface Reading {
  handleDataFrame?: (bytes: Buffer) => void;
  handleEndEvent?: () => void;
  readonly incomingEncoding?: string;
  maxReceiveMessageSize?: number;
  readonly decoder?: { maxReadMessageLength?: number };
}

/**
 * The bytes of a request, as they come: grpc-js would unpack each message as soon as it is there, and keep any number.
 * False: nothing has changed, and grpc-js reads.
 */
export function receive(call: Inner, receiver: Receiver): boolean {
  const stream = streamOf(call);
  const reading = call as Reading;
  if (!stream || !reading.handleDataFrame || !reading.handleEndEvent) return false;
  reading.handleDataFrame = (bytes) => receiver.onData(bytes);
  reading.handleEndEvent = () => receiver.onDataEnd();
  stream.resume();
  return true;
}

/** How the messages of a request are packed; grpc-js keeps it from the metadata. */
export function encodingOf(call: Inner): string {
  return (call as Reading).incomingEncoding ?? 'identity';
}

/** Where grpc-js reads: no message of this call may be larger. Not found: the limit of the server holds. */
export function limitMessages(call: Inner, bytes: number): void {
  const reading = call as Reading;
  if (reading.maxReceiveMessageSize === undefined || reading.decoder?.maxReadMessageLength === undefined) return;
  reading.maxReceiveMessageSize = bytes;
  reading.decoder.maxReadMessageLength = bytes;
}

/** A status has left within this time, in milliseconds. */
const LEFT_WITHIN = 1000;

/**
 * After the status: what the client still sends is not waited for. gRPC wants no error for that. Not at once: nghttp2
 * drops what has not left when a stream is reset. Not found: the stream stays until the client has ended it.
 */
export function hangUp(call: Inner): void {
  const stream = streamOf(call);
  if (stream) setTimeout(() => stream.close(constants.NGHTTP2_NO_ERROR), LEFT_WITHIN).unref();
}

/**
 * Writes one more message of a stream, which is encoded already. grpc-js frames a message anew for each stream that it
 * goes to, which takes a tenth of a fan-out; here that is done once. False: nothing was written, use `sendMessage`.
 */
export function writeShared(call: Inner, message: Buffer, onLeft: () => void): boolean {
  const stream = streamOf(call);
  // One that is destroyed is closed, too, and to ask for that alone touches less memory.
  if (!stream?.headersSent || stream.closed) return false;
  stream.write(framed(message), onLeft);
  return true;
}

let last: { readonly message: Buffer; readonly frame: Buffer } | undefined;

/** As gRPC wants it: not compressed (1 byte), the length (4), the message. */
function framed(message: Buffer): Buffer {
  if (last?.message === message) return last.frame;
  const frame = Buffer.allocUnsafe(5 + message.length);
  frame[0] = 0;
  frame.writeUInt32BE(message.length, 1);
  frame.set(message, 5);
  last = { message, frame };
  return frame;
}

interface Box<T> {
  held: T | undefined;
}

/** As a Map of what is in the boxes: as far as Node 20 to 24 need it. */
class Boxed<T> {
  readonly #boxes = new Map<number, Box<T>>();

  get size(): number {
    return this.#boxes.size;
  }

  get(id: number): T | undefined {
    return this.#boxes.get(id)?.held;
  }

  set(id: number, held: T): this {
    this.#boxes.set(id, { held });
    return this;
  }

  delete(id: number): boolean {
    const box = this.#boxes.get(id);
    if (box) box.held = undefined;
    return this.#boxes.delete(id);
  }

  forEach(visit: (held: T, id: number) => void): void {
    this.#boxes.forEach((box, id) => {
      if (box.held !== undefined) visit(box.held, id);
    });
  }
}

interface Session {
  streams?: { forEach(visit: (stream: unknown, id: number) => void): void } | Boxed<unknown>;
}

let state: symbol | undefined;

/**
 * Mends a session of http2, at its first call; at the next ones does nothing. Without it each call costs a quarter more,
 * and the pauses of the collector are three times as long.
 *
 * A session keeps its open streams in a Map. When the table of a Map is full, V8 makes a new one, and the old one keeps
 * its entries and points to the new one. Once a full collection has moved one such table to the old generation, it is
 * dead there but not collected yet, and keeps all that comes after it from being collected while it is young: table
 * after table, with the streams that were open when each was full, which is most of them, and all that hangs on those.
 * Here the entries are boxes, and a box is emptied when its stream is taken out. Not found: nothing is changed.
 */
export function patchSession(session: object): void {
  state ??= Object.getOwnPropertySymbols(session).find(({ description }) => description === 'state');
  const inner = state && (session as Record<symbol, Session | undefined>)[state];
  const streams = inner?.streams;
  if (!streams || streams instanceof Boxed || typeof streams.forEach !== 'function') return;
  const boxed = new Boxed<unknown>();
  streams.forEach((stream, id) => void boxed.set(id, stream));
  inner.streams = boxed;
}

/**
 * All undocumented internals of grpc-js and Node's http2 that Chord uses, each with its purpose and the fallback where
 * it is not found. test/grpc/node-http2.test.ts checks that each exists and still has its effect.
 */
import { constants, type ServerHttp2Stream } from 'node:http2';
import type { ServerInterceptingCall } from '@grpc/grpc-js';

/** The call that grpc-js gives to an interceptor: grpc-js answers it. */
export type Inner = ConstructorParameters<typeof ServerInterceptingCall>[0];

function streamOf(call: Inner): ServerHttp2Stream | undefined {
  return (call as { stream?: ServerHttp2Stream }).stream;
}

/**
 * The same object for all calls of a connection. Undefined where the connection is unknown: then no connection quota
 * applies.
 */
export function connectionOf(call: Inner): object | undefined {
  return streamOf(call)?.session;
}

/** Stops and resumes the receipt of a request. Not found: it goes on. */
export function holdBack(call: Inner, yes: boolean): void {
  const stream = streamOf(call);
  if (yes) stream?.pause();
  else stream?.resume();
}

/** Receives the bytes of a request in place of grpc-js. */
export interface Receiver {
  onData(bytes: Buffer): void;
  /** The request has ended. */
  onDataEnd(): void;
}

/** The internals of a grpc-js call that are used here. */
interface Reading {
  handleDataFrame?: (bytes: Buffer) => void;
  handleEndEvent?: () => void;
  readonly incomingEncoding?: string;
  maxReceiveMessageSize?: number;
  readonly decoder?: { maxReadMessageLength?: number };
}

/**
 * Passes the bytes of a request to `receiver` as they arrive: grpc-js would decompress each message at once, and keep
 * any number of messages. False: nothing has changed, and grpc-js reads.
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

/** The encoding of the request's messages, which grpc-js removes from the metadata. */
export function encodingOf(call: Inner): string {
  return (call as Reading).incomingEncoding ?? 'identity';
}

/** Where grpc-js reads: limits the size of each message of this call. Not found: the limit of the server applies. */
export function limitMessages(call: Inner, bytes: number): void {
  const reading = call as Reading;
  if (reading.maxReceiveMessageSize === undefined || reading.decoder?.maxReadMessageLength === undefined) return;
  reading.maxReceiveMessageSize = bytes;
  reading.decoder.maxReadMessageLength = bytes;
}

/** A status is sent within this time, in milliseconds. */
const LEFT_WITHIN = 1000;

/** Streams that are closed in one turn of the event loop: thousands may be refused in the same moment. */
const CLOSED_AT_ONCE = 50;
/** Streams to close, and when, as `performance.now()` counts; in this order. */
const leaving: { readonly stream: ServerHttp2Stream; readonly at: number }[] = [];

/**
 * Ends a call after its status without waiting for the rest of the request. gRPC requires NO_ERROR for that. Deferred:
 * nghttp2 drops unsent frames when a stream is reset. Not found: the stream stays until the client ends it.
 */
export function hangUp(call: Inner): void {
  const stream = streamOf(call);
  if (!stream) return;
  leaving.push({ stream, at: performance.now() + LEFT_WITHIN });
  if (leaving.length === 1) setTimeout(closeSome, LEFT_WITHIN).unref();
}

function closeSome(): void {
  const now = performance.now();
  const due = leaving.slice(0, CLOSED_AT_ONCE).filter(({ at }) => at <= now);
  leaving.splice(0, due.length);
  for (const { stream } of due) stream.close(constants.NGHTTP2_NO_ERROR);
  const [next] = leaving;
  if (!next) return;
  if (next.at <= now) setImmediate(closeSome).unref();
  else setTimeout(closeSome, next.at - now).unref();
}

/**
 * Writes one encoded message of a stream. grpc-js frames a message anew for each stream, which takes a tenth of a
 * fan-out; here a message is framed once. False: nothing was written, use `sendMessage`.
 */
export function writeShared(call: Inner, message: Buffer, onLeft: () => void): boolean {
  const stream = streamOf(call);
  // A destroyed stream is also closed: checking only `closed` touches less memory.
  if (!stream?.headersSent || stream.closed) return false;
  stream.write(framed(message), onLeft);
  return true;
}

let last: { readonly message: Buffer; readonly frame: Buffer } | undefined;

/** gRPC framing: not compressed (1 byte), the length (4), the message. */
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

/** A Map whose values are boxed: it has the methods that Node 20 to 24 use. */
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
 * Patches an HTTP/2 session at its first call; later calls have no effect. Without the patch each call costs a quarter
 * more, and pauses of the garbage collector are three times as long.
 *
 * A session keeps its open streams in a Map. When the table of a Map is full, V8 makes a new table, and the old one
 * keeps its entries and points to the new one. When a full collection has moved one such table to the old generation,
 * that table is dead but not collected yet, and keeps all later tables from being collected while they are young: table
 * after table, with the streams that were open when each was full, which is most streams, and all that they reference.
 * Here the entries are boxes, and a box is emptied when its stream is removed. Not found: nothing is changed.
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

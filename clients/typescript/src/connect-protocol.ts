/** The protocol Connect with Protobuf (https://connectrpc.com/docs/protocol), as far as a client needs it. Pure: it knows no network. */
import { base64Decode } from '@bufbuild/protobuf/wire';
import { status } from './codes.js';
import { type ChordError, decodeError, type ErrorDetail } from './errors.js';

export const UNARY_TYPE = 'application/proto';
export const STREAM_TYPE = 'application/connect+proto';

const COMPRESSED = 1;
const END = 2;
const HEAD_BYTES = 5;

/** An error in JSON. Whatever stands between may have made it: each member can be missing or of another type. */
interface WireError {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly details?: unknown;
}

/** By the status of HTTP, of answers that are none of Connect: a proxy's, say. */
const CODES: Readonly<Record<number, number>> = {
  400: status.INTERNAL,
  401: status.UNAUTHENTICATED,
  403: status.PERMISSION_DENIED,
  404: status.UNIMPLEMENTED,
  429: status.UNAVAILABLE,
  502: status.UNAVAILABLE,
  503: status.UNAVAILABLE,
  504: status.UNAVAILABLE,
};

/** Of an answer that is not a success. @param body its text, which need not be JSON */
export function httpError(httpStatus: number, body: string): ChordError {
  const code = CODES[httpStatus] ?? status.UNKNOWN;
  const error = parse(body) as WireError | undefined;
  if (typeof error?.code === 'string') return wireError(error, code);
  return decodeError(code, `HTTP ${httpStatus}${body === '' ? '' : `: ${body.slice(0, 200).trim()}`}`, []);
}

/** A message of a stream, in an envelope. */
export function envelope(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + message.length);
  new DataView(bytes.buffer).setUint32(1, message.length);
  bytes.set(message, HEAD_BYTES);
  return bytes;
}

/** The messages of a stream out of its chunks. */
export class Envelopes {
  #target = new Uint8Array(HEAD_BYTES);
  #filled = 0;
  /** Of the envelope whose message is being read. */
  #flags: number | undefined;
  /** The stream has said that it ends. */
  ended = false;

  /** Answers the messages that this chunk completes. @throws ChordError with which the stream has ended */
  *take(chunk: Uint8Array): Generator<Uint8Array, void, void> {
    for (let at = 0; at < chunk.length; ) {
      const part = chunk.subarray(at, at + this.#target.length - this.#filled);
      this.#target.set(part, this.#filled);
      at += part.length;
      this.#filled += part.length;
      if (this.#filled < this.#target.length) return;
      if (this.#flags === undefined) {
        this.#flags = this.#target[0]!;
        this.#expect(new DataView(this.#target.buffer).getUint32(1));
        if (this.#target.length > 0) continue;
      }
      const [flags, message] = [this.#flags, this.#target];
      this.#flags = undefined;
      this.#expect(HEAD_BYTES);
      if (flags & COMPRESSED) throw decodeError(status.INTERNAL, 'the stream is compressed, unasked', []);
      if (flags & END) this.#end(message);
      else yield message;
    }
  }

  #expect(bytes: number): void {
    this.#target = new Uint8Array(bytes);
    this.#filled = 0;
  }

  #end(message: Uint8Array): void {
    this.ended = true;
    const { error } = (parse(new TextDecoder().decode(message)) ?? {}) as { error?: WireError };
    if (error) throw wireError(error, status.UNKNOWN);
  }
}

function wireError({ code, message, details }: WireError, codeElse: number): ChordError {
  const found = typeof code === 'string' ? codeOf(code) : codeElse;
  return decodeError(
    found,
    typeof message === 'string' ? message : '',
    Array.isArray(details) ? details.flatMap(detail) : [],
  );
}

/** `not_found`: 5. Unknown names count as `unknown`. */
function codeOf(name: string): number {
  if (name === 'canceled') return status.CANCELLED;
  return (status as Readonly<Record<string, number>>)[name.toUpperCase()] ?? status.UNKNOWN;
}

function detail(each: { readonly type?: unknown; readonly value?: unknown } | null): ErrorDetail[] {
  if (typeof each?.type !== 'string' || typeof each.value !== 'string') return [];
  try {
    return [{ typeUrl: each.type, value: base64Decode(each.value) }];
  } catch {
    return []; // as details that cannot be decoded
  }
}

/** JSON; undefined where it is none. */
function parse(text: string): unknown {
  try {
    return JSON.parse(text) ?? undefined;
  } catch {
    return undefined;
  }
}

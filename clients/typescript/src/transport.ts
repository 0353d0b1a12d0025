/** What carries calls to a server: gRPC on Node, HTTP in browsers. */
import { unavailable, unsendable } from './errors.js';

/** A method of a service, as the generated definitions describe it. */
export interface Method<Q, A> {
  /** `/chord.v1.ContextService/GetContext` */
  readonly path: string;
  readonly requestSerialize: (request: Q) => Uint8Array;
  readonly responseDeserialize: (bytes: Uint8Array) => A;
}

/** The same, for requests that leave fields out. `S`: whether it answers a stream. */
export interface Definition<Q, A, S extends boolean> extends Method<Q, A> {
  readonly requestDeserialize: (bytes: Uint8Array) => Q;
  readonly responseStream: S;
}

/** By name. HTTP's in browsers, the metadata of gRPC elsewhere. */
export type Headers = Readonly<Record<string, string>>;

/** All methods throw ChordError, with what the server said, or what the transport knows. */
export interface Transport {
  /** Another token may be had by asking again. */
  readonly renews: boolean;

  /** One try. @param deadline milliseconds since 1970 */
  call<Q, A>(
    method: Method<Q, A>,
    request: Uint8Array,
    deadline: number,
    signal: AbortSignal | undefined,
    headers?: Headers,
  ): Promise<A>;

  /** The same for a call that lasts as streams do. @param deadline Infinity: none */
  longCall<Q, A>(
    method: Method<Q, A>,
    request: Uint8Array,
    deadline: number,
    signal: AbortSignal,
    headers?: Headers,
  ): Promise<A>;

  /**
   * A server stream, read as it is iterated. Ending the iteration, or the signal, cancels it.
   * @param heartbeat milliseconds in which the server sends at least one message; undefined: it may be silent
   */
  stream<Q, A>(
    method: Method<Q, A>,
    request: Q,
    signal: AbortSignal,
    heartbeat?: number,
    headers?: Headers,
  ): AsyncGenerator<A, void, void>;

  /** Waits before a stream connects again; less where the transport knows that a try may succeed now. @param delay milliseconds */
  pause(delay: number, signal: AbortSignal): Promise<void>;

  /** Ends all calls: they fail as those of a client that is closed. */
  close(): void;
}

/** What differs between Node and browsers. */
export interface Platform {
  readonly transport: Transport;
  /** Its signal ends all that the client has begun. */
  readonly closing: AbortController;
  /** Says what nothing waits for: `process.emitWarning`, `console.warn`. */
  readonly warn: (warning: Error) => void;
}

/** The request with what it leaves out, as the protocol has it. */
export function completed<Q>({ requestDeserialize }: Definition<Q, unknown, boolean>, request: Partial<Q>): Q {
  return { ...requestDeserialize(new Uint8Array()), ...request };
}

/** What cannot be encoded is the caller's mistake, and worth no try. @throws ChordError */
export function encode<Q>(method: Method<Q, unknown>, request: Q): Uint8Array {
  try {
    return method.requestSerialize(request);
  } catch (error) {
    throw unsendable('request', error);
  }
}

/** A token, or what gives one: asked for each try of a call and each connection of a watch. */
export type Token = string | (() => string | Promise<string>);

/** The header `authorization`; undefined without a token. @throws ChordError UNAVAILABLE where the function fails */
export async function authorization(token: Token | undefined): Promise<string | undefined> {
  if (token === undefined) return undefined;
  try {
    return `Bearer ${typeof token === 'string' ? token : await token()}`;
  } catch (error) {
    throw unavailable(`there is no token: ${error instanceof Error ? error.message : error}`);
  }
}

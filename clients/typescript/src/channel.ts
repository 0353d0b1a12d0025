/** gRPC as promises and iterators: connections and their settings, metadata, errors. */
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ChannelCredentials,
  Client,
  type ClientReadableStream,
  type ClientUnaryCall,
  connectivityState,
  credentials,
  type CallOptions as GrpcCallOptions,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { closed, decodeError, unavailable, unsendable } from './errors.js';
import { sleepMax } from './timers.js';

export interface TlsOptions {
  /** PEM. Absent: the roots of the system. */
  readonly ca?: Buffer;
  /** PEM, for servers that want to know their clients. */
  readonly key?: Buffer;
  readonly cert?: Buffer;
  /** Where the certificate names another host than the address. */
  readonly serverName?: string;
}

/** A method of a service, as the generated definitions describe it. */
export interface Method<Q, A> {
  readonly path: string;
  readonly requestSerialize: (request: Q) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => A;
}

/** The same, for requests that leave fields out. `S`: whether it answers a stream. */
export interface Definition<Q, A, S extends boolean> extends Method<Q, A> {
  readonly requestDeserialize: (bytes: Buffer) => Q;
  readonly responseStream: S;
}

/** The request with what it leaves out, as the protocol has it. */
export function completed<Q>({ requestDeserialize }: Definition<Q, unknown, boolean>, request: Partial<Q>): Q {
  return { ...requestDeserialize(Buffer.alloc(0)), ...request };
}

/** A token, or what gives one: asked for each try of a call and each connection of a watch. */
export type Token = string | (() => string | Promise<string>);

/** A connection with its streams, counted. */
interface Connection {
  readonly client: Client;
  streams: number;
}

export class Channel {
  readonly #connect: () => Connection;
  /** The first is that of the calls; each has at most `streamsMax` streams, and those after it go with their last one. */
  readonly #connections: Connection[];
  readonly #calls = new Set<ClientUnaryCall>();
  readonly #token: Token | undefined;
  #closed = false;

  constructor(
    address: string,
    tls: TlsOptions | boolean,
    token: Token | undefined,
    private readonly streamsMax: number,
  ) {
    this.#token = token;
    const { serverName } = typeof tls === 'object' ? tls : {};
    const secrets = credentialsOf(tls);
    const options = {
      // A delta with its old values may be larger than a document.
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      // A dead server must not look like a quiet one.
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 10_000,
      // Waiting is our own business: the channel's only has to be no longer.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
      // Otherwise all clients of a process share one connection, and its bound on streams.
      'grpc.use_local_subchannel_pool': 1,
      ...(serverName && { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName }),
    };
    this.#connect = () => ({ client: new Client(address, secrets, options), streams: 0 });
    this.#connections = [this.#connect()];
  }

  /** Another token may be had by asking again. */
  get renews(): boolean {
    return typeof this.#token === 'function';
  }

  /** One try. @param deadline milliseconds since 1970 @throws ChordError */
  async call<Q, A>(
    method: Method<Q, A>,
    request: Buffer,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<A> {
    const metadata = await this.#metadata();
    return this.#call(this.#connections[0]!, metadata, method, request, deadline, signal);
  }

  /** The same for a call that lasts as streams do, and counts as one of its connection. @param deadline Infinity: none */
  async longCall<Q, A>(method: Method<Q, A>, request: Buffer, deadline: number, signal: AbortSignal): Promise<A> {
    const metadata = await this.#metadata();
    if (this.#closed) throw closed('client');
    const connection = this.#withRoom();
    connection.streams++;
    try {
      return await this.#call(connection, metadata, method, request, deadline, signal);
    } finally {
      this.#leave(connection);
    }
  }

  #call<Q, A>(
    connection: Connection,
    metadata: Metadata,
    method: Method<Q, A>,
    request: Buffer,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<A> {
    if (this.#closed) throw closed('client');
    return new Promise((resolve, reject) => {
      const call = connection.client.makeUnaryRequest(
        method.path,
        (encoded: Buffer) => encoded,
        method.responseDeserialize,
        request,
        metadata,
        { deadline } satisfies GrpcCallOptions,
        (error, answer) => {
          this.#calls.delete(call);
          signal?.removeEventListener('abort', cancel);
          if (error) reject(this.#closed ? closed('client') : fromServiceError(error));
          else resolve(answer as A);
        },
      );
      this.#calls.add(call);
      const cancel = () => cancelForGood(call);
      if (signal?.aborted) cancel();
      else signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  /** A server stream, read as it is iterated. Ending the iteration, or the signal, cancels it. @throws ChordError */
  async *stream<Q, A>(method: Method<Q, A>, request: Q, signal: AbortSignal): AsyncGenerator<A, void, void> {
    const bytes = encode(method, request);
    const metadata = await this.#metadata();
    if (this.#closed) throw closed('client');
    const connection = this.#withRoom();
    const stream: ClientReadableStream<A> = connection.client.makeServerStreamRequest(
      method.path,
      (encoded: Buffer) => encoded,
      method.responseDeserialize,
      bytes,
      metadata,
      {},
    );
    connection.streams++;
    const cancel = () => cancelForGood(stream);
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    try {
      yield* stream;
    } catch (error) {
      throw fromServiceError(error as ServiceError);
    } finally {
      signal.removeEventListener('abort', cancel);
      stream.on('error', () => {}); // errors after the end of reading have no receiver
      cancelForGood(stream);
      this.#leave(connection);
    }
  }

  /** Waits; where no connection can be made, only until one is. @param delay milliseconds */
  async pause(delay: number, signal: AbortSignal): Promise<void> {
    const waiting = new AbortController();
    const stop = () => waiting.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted || this.#closed) stop();
    else this.#onReady(Date.now() + sleepMax(delay), stop);
    await sleep(sleepMax(delay), undefined, { signal: waiting.signal }).catch(() => {}); // only `stop` rejects it
    signal.removeEventListener('abort', stop);
  }

  close(): void {
    this.#closed = true;
    for (const call of this.#calls) cancelForGood(call);
    for (const { client } of this.#connections) client.close();
  }

  #withRoom(): Connection {
    const found = this.#connections.find(({ streams }) => streams < this.streamsMax);
    if (found) return found;
    const connection = this.#connect();
    this.#connections.push(connection);
    return connection;
  }

  #leave(connection: Connection): void {
    connection.streams--;
    for (let i = this.#connections.length - 1; i > 0 && this.#connections[i]!.streams === 0; i--) {
      this.#connections.pop()!.client.close();
    }
  }

  /** While a connection fails the channel tries on by itself; one that was made, and then lost, is none that fails. */
  #onReady(end: number, then: () => void): void {
    const channel = this.#connections[0]!.client.getChannel();
    const follow = () => {
      if (this.#closed) return;
      const state = channel.getConnectivityState(false);
      if (state === connectivityState.READY) then();
      else if (state !== connectivityState.SHUTDOWN && Date.now() < end) {
        channel.watchConnectivityState(state, end, (late) => late || follow());
      }
    };
    const state = channel.getConnectivityState(false);
    if (state === connectivityState.CONNECTING || state === connectivityState.TRANSIENT_FAILURE) follow();
  }

  async #metadata(): Promise<Metadata> {
    const metadata = new Metadata();
    if (this.#token === undefined) return metadata;
    try {
      const token = typeof this.#token === 'string' ? this.#token : await this.#token();
      metadata.set('authorization', `Bearer ${token}`);
      return metadata;
    } catch (error) {
      throw unavailable(`there is no token: ${error instanceof Error ? error.message : error}`);
    }
  }
}

/** What cannot be encoded is the caller's mistake, and worth no try. @throws ChordError */
export function encode<Q>(method: Method<Q, unknown>, request: Q): Buffer {
  try {
    return method.requestSerialize(request);
  } catch (error) {
    throw unsendable('request', error);
  }
}

/**
 * grpc-js 1.14.7 starts a call some microtasks after it was asked to, and does not look whether the call was cancelled
 * meanwhile: its stream would stay open in the server. A second cancel, a turn later, ends that stream.
 */
function cancelForGood(call: { cancel(): void }): void {
  call.cancel();
  setImmediate(() => call.cancel());
}

function credentialsOf(tls: TlsOptions | boolean): ChannelCredentials {
  if (tls === false) return credentials.createInsecure();
  const { ca, key, cert } = tls === true ? {} : tls;
  return credentials.createSsl(ca, key, cert);
}

function fromServiceError(error: ServiceError): Error {
  if (typeof error?.code !== 'number') return error;
  const [trailer] = error.metadata?.get('grpc-status-details-bin') ?? [];
  return decodeError(error.code, error.details, Buffer.isBuffer(trailer) ? trailer : undefined);
}

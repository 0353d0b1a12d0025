/** gRPC as promises and iterators, by @grpc/grpc-js: connections and their settings, metadata, errors. For Node. */
import { isIP } from 'node:net';
import {
  type ChannelCredentials,
  type ChannelOptions,
  Client,
  type ClientReadableStream,
  type ClientUnaryCall,
  connectivityState,
  credentials,
  type CallOptions as GrpcCallOptions,
  type Interceptor,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { cancelled, closed, decodeError, detailsOf, unsendable } from './errors.js';
import type { CommonOptions } from './options.js';
import { sleep, sleepMax } from './timers.js';
import { authorization, encode, type Headers, type Method, type Token, type Transport } from './transport.js';
import { VERSION } from './version.js';

/** How a server is known, and the client. */
export interface TlsOptions {
  /** PEM. Absent: the roots of the system. */
  readonly ca?: Buffer;
  /** PEM, for servers that want to know their clients. */
  readonly key?: Buffer;
  readonly cert?: Buffer;
  /** Where the certificate names another host than the address. */
  readonly serverName?: string;
}

/** What a client of gRPC takes beside the options of all. */
export interface GrpcOptions {
  /** false: none, the default; true: with the roots of the system. */
  readonly tls?: TlsOptions | boolean;
  /** More open a further connection, since servers and proxies bound the streams of one. Default 90. */
  readonly watchesPerConnection?: number;
  /**
   * Further servers, IP:PORT as the address is then: calls and watches go to those that can be reached, in turn. An address
   * `dns:NAME:PORT` alone does the same with all addresses of the name.
   */
  readonly endpoints?: readonly string[];
  /** Names the program, before the client: `shop/1.2 chordstate-typescript/0.1.0 grpc-node-js/1.14.4`. */
  readonly userAgent?: string;
  /** Those of @grpc/grpc-js. They see each try of a call. */
  readonly interceptors?: readonly Interceptor[];
  /** Those of @grpc/grpc-js. They win over the client's. */
  readonly channelOptions?: ChannelOptions;
}

/** A connection with its streams, counted. */
interface Connection {
  readonly client: Client;
  streams: number;
}

export class GrpcTransport implements Transport {
  readonly #connect: () => Connection;
  /** The first is that of the calls; each has at most `streamsMax` streams, and those after it go with their last one. */
  readonly #connections: Connection[];
  readonly #calls = new Set<ClientUnaryCall>();
  readonly #token: Token | undefined;
  readonly #headers: Headers;
  readonly #streamsMax: number;
  #closed = false;

  constructor(
    address: string,
    { token, metadata = {}, tls = false, watchesPerConnection = 90, ...rest }: GrpcOptions & CommonOptions,
  ) {
    this.#token = token;
    this.#headers = metadata;
    this.#streamsMax = watchesPerConnection;
    const { endpoints = [], userAgent = '', interceptors = [], channelOptions } = rest;
    const { serverName } = typeof tls === 'object' ? tls : {};
    const secrets = credentialsOf(tls);
    const target = endpoints.length === 0 ? address : targetOf([address, ...endpoints]);
    const balanced = target !== address || address.startsWith('dns:');
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
      'grpc.primary_user_agent': `${userAgent} chordstate-typescript/${VERSION}`.trimStart(),
      ...(balanced && { 'grpc.service_config': ROUND_ROBIN }),
      ...(serverName && { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName }),
      ...channelOptions,
      interceptors: [...interceptors],
    };
    this.#connect = () => ({ client: new Client(target, secrets, options), streams: 0 });
    this.#connections = [this.#connect()];
  }

  get renews(): boolean {
    return typeof this.#token === 'function';
  }

  async call<Q, A>(
    method: Method<Q, A>,
    request: Uint8Array,
    deadline: number,
    signal: AbortSignal | undefined,
    headers?: Headers,
  ): Promise<A> {
    const metadata = await this.#metadata(headers);
    return this.#call(this.#connections[0]!, metadata, method, request, deadline, signal);
  }

  /** Counts as a stream of its connection. */
  async longCall<Q, A>(
    method: Method<Q, A>,
    request: Uint8Array,
    deadline: number,
    signal: AbortSignal,
    headers?: Headers,
  ): Promise<A> {
    const metadata = await this.#metadata(headers);
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
    request: Uint8Array,
    deadline: number,
    signal: AbortSignal | undefined,
  ): Promise<A> {
    if (this.#closed) throw closed('client');
    if (signal?.aborted) throw cancelled(); // perhaps while the token was fetched
    return new Promise((resolve, reject) => {
      const call = connection.client.makeUnaryRequest(
        method.path,
        asBuffer,
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
      signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  /** Without a look at the heartbeats: HTTP/2 finds a dead peer. */
  async *stream<Q, A>(
    method: Method<Q, A>,
    request: Q,
    signal: AbortSignal,
    _heartbeat?: number,
    headers?: Headers,
  ): AsyncGenerator<A, void, void> {
    const bytes = encode(method, request);
    const metadata = await this.#metadata(headers);
    if (this.#closed) throw closed('client');
    if (signal.aborted) throw cancelled();
    const connection = this.#withRoom();
    const stream: ClientReadableStream<A> = connection.client.makeServerStreamRequest(
      method.path,
      asBuffer,
      method.responseDeserialize,
      bytes,
      metadata,
      {},
    );
    connection.streams++;
    const cancel = () => cancelForGood(stream);
    signal.addEventListener('abort', cancel, { once: true });
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

  /** Where no connection can be made, waits only until one is. */
  async pause(delay: number, signal: AbortSignal): Promise<void> {
    const waiting = new AbortController();
    const stop = () => waiting.abort();
    signal.addEventListener('abort', stop, { once: true });
    if (signal.aborted || this.#closed) stop();
    else this.#onReady(Date.now() + sleepMax(delay), stop);
    await sleep(delay, waiting.signal);
    signal.removeEventListener('abort', stop);
  }

  close(): void {
    this.#closed = true;
    for (const call of this.#calls) cancelForGood(call);
    for (const { client } of this.#connections) client.close();
  }

  #withRoom(): Connection {
    const found = this.#connections.find(({ streams }) => streams < this.#streamsMax);
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

  async #metadata(headers: Headers = {}): Promise<Metadata> {
    const metadata = new Metadata();
    for (const [name, value] of Object.entries({ ...this.#headers, ...headers })) metadata.set(name, value);
    if (this.#token !== undefined) metadata.set('authorization', (await authorization(this.#token))!);
    return metadata;
  }
}

const ROUND_ROBIN = JSON.stringify({ methodConfig: [], loadBalancingConfig: [{ round_robin: {} }] });

/** grpc-js takes lists of IP addresses alone: names are for DNS. @throws ChordError */
function targetOf(addresses: readonly string[]): string {
  const versions = addresses.map((each) => isIP(each.replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1')));
  const [version] = versions;
  if (!version)
    throw unsendable('endpoints', `${addresses.join()}: each is IP:PORT; for a name, connect to dns:NAME:PORT`);
  if (versions.some((each) => each !== version)) throw unsendable('endpoints', 'all are IPv4, or all are IPv6');
  return `ipv${version}:${addresses.join()}`;
}

/** The same bytes. */
function asBuffer({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
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
  return decodeError(error.code, error.details, Buffer.isBuffer(trailer) ? detailsOf(trailer) : []);
}

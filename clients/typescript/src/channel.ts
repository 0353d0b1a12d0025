/** gRPC as promises and iterators: channel settings, metadata, errors. */
import {
  type ChannelCredentials,
  Client,
  type ClientReadableStream,
  credentials,
  type CallOptions as GrpcCallOptions,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import { decodeError, unavailable, unsendable } from './errors.js';

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

export class Channel {
  readonly #client: Client;
  readonly #token: Token | undefined;

  constructor(address: string, tls: TlsOptions | boolean, token: Token | undefined) {
    this.#token = token;
    const { serverName } = typeof tls === 'object' ? tls : {};
    this.#client = new Client(address, credentialsOf(tls), {
      // A delta with its old values may be larger than a document.
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
      // A dead server must not look like a quiet one.
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 10_000,
      // Waiting is our own business: the channel's only has to be no longer.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
      ...(serverName && { 'grpc.ssl_target_name_override': serverName, 'grpc.default_authority': serverName }),
    });
  }

  /** One try. @param deadline milliseconds since 1970 @throws ChordError */
  async call<Q, A>(method: Method<Q, A>, request: Q, deadline: number, signal: AbortSignal | undefined): Promise<A> {
    const bytes = encode(method, request);
    const metadata = await this.#metadata();
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        method.path,
        (encoded: Buffer) => encoded,
        method.responseDeserialize,
        bytes,
        metadata,
        { deadline } satisfies GrpcCallOptions,
        (error, answer) => {
          signal?.removeEventListener('abort', cancel);
          if (error) reject(fromServiceError(error));
          else resolve(answer as A);
        },
      );
      const cancel = () => call.cancel();
      if (signal?.aborted) cancel();
      else signal?.addEventListener('abort', cancel, { once: true });
    });
  }

  /** A server stream, read as it is iterated. Ending the iteration, or the signal, cancels it. @throws ChordError */
  async *stream<Q, A>(method: Method<Q, A>, request: Q, signal: AbortSignal): AsyncGenerator<A, void, void> {
    const bytes = encode(method, request);
    const metadata = await this.#metadata();
    const stream: ClientReadableStream<A> = this.#client.makeServerStreamRequest(
      method.path,
      (encoded: Buffer) => encoded,
      method.responseDeserialize,
      bytes,
      metadata,
      {},
    );
    const cancel = () => stream.cancel();
    signal.addEventListener('abort', cancel, { once: true });
    if (signal.aborted) cancel();
    try {
      yield* stream;
    } catch (error) {
      throw fromServiceError(error as ServiceError);
    } finally {
      signal.removeEventListener('abort', cancel);
      stream.on('error', () => {}); // what comes after the end of reading concerns nobody
      stream.cancel();
    }
  }

  close(): void {
    this.#client.close();
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

/** What cannot be encoded is the caller's mistake, and worth no try. */
function encode<Q>(method: Method<Q, unknown>, request: Q): Buffer {
  try {
    return method.requestSerialize(request);
  } catch (error) {
    throw unsendable(error);
  }
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

/** A connection to a server, with deadlines, for the client commands. */
import { Client, type ClientReadableStream } from '@grpc/grpc-js';
import type { Output } from '../output/output.js';
import { channelOf } from './channel.js';
import type { ConnectionOptions } from './connection.js';
import { metadataOf } from './credentials.js';

/** A method of a service, as the generated definitions describe it. */
interface Method<Q, A> {
  readonly path: string;
  readonly requestSerialize: (request: Q) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => A;
}

export class Session {
  private readonly client: Client;

  constructor(
    readonly options: ConnectionOptions,
    readonly out: Output,
  ) {
    const [credentials, ofChannel] = channelOf(options);
    this.client = new Client(options.address, credentials, {
      ...ofChannel,
      // A delta with its old values may be larger than a document; a dead server must not look like a quiet one.
      'grpc.max_receive_message_length': -1,
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 5_000,
    });
  }

  /** @throws ServiceError of grpc-js */
  call<Q, A>(method: Method<Q, A>, request: Q): Promise<A> {
    const deadline = Date.now() + this.options.timeout;
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        metadataOf(this.options),
        { deadline },
        (error, answer) => (error ? reject(error) : resolve(answer!)),
      );
    });
  }

  stream<Q, A>(method: Method<Q, A>, request: Q): ClientReadableStream<A> {
    return this.client.makeServerStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      metadataOf(this.options),
      {},
    );
  }

  close(): void {
    this.client.close();
  }
}

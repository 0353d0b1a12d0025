/** A connection to a server, with deadlines, for the client commands. */
import { Client, type ClientReadableStream } from '@grpc/grpc-js';
import { AdminServiceService } from '../../gen/chord/v1/admin_service.js';
import { CleanupServiceService } from '../../gen/chord/v1/cleanup_service.js';
import { ContextServiceService } from '../../gen/chord/v1/context_service.js';
import { SyncServiceService } from '../../gen/chord/v1/sync_service.js';
import { TransferServiceService } from '../../gen/chord/v1/transfer_service.js';
import { Usage } from '../errors.js';
import type { Output } from '../output/output.js';
import { channelOf } from './channel.js';
import type { ConnectionOptions } from './connection.js';
import { metadataOf } from './credentials.js';

/** Every RPC of Chord by its name. */
const METHODS = {
  ...ContextServiceService,
  ...SyncServiceService,
  ...CleanupServiceService,
  ...TransferServiceService,
  ...AdminServiceService,
};

type Methods = typeof METHODS;
type MethodName = keyof Methods;
type RequestOf<N extends MethodName> = Parameters<Methods[N]['requestSerialize']>[0];
type ResponseOf<N extends MethodName> = ReturnType<Methods[N]['responseDeserialize']>;

/** A method in the form of the generated definitions. */
interface Method<Q, A> {
  readonly path: string;
  readonly requestSerialize: (request: Q) => Buffer;
  readonly responseDeserialize: (bytes: Buffer) => A;
}

function methodOf<N extends MethodName>(name: N): Method<RequestOf<N>, ResponseOf<N>> {
  return METHODS[name] as unknown as Method<RequestOf<N>, ResponseOf<N>>;
}

const asIs = (bytes: Buffer): Buffer => bytes;

/** gRPC would call it INTERNAL where a value cannot be encoded. */
function encoded<Q>(method: Method<Q, unknown>, request: Q): Buffer {
  try {
    return method.requestSerialize(request);
  } catch (error) {
    throw new Usage(`the request cannot be sent: ${(error as Error).message}`);
  }
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
      // A delta with old values may be larger than a document. Keepalive tells a dead server from an idle one.
      'grpc.max_receive_message_length': -1,
      'grpc.keepalive_time_ms': 20_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 5_000,
    });
  }

  /** @throws Usage where the request cannot be sent; ServiceError of grpc-js */
  call<N extends MethodName>(name: N, request: RequestOf<N>, timeout = this.options.timeout): Promise<ResponseOf<N>> {
    const method = methodOf(name);
    const deadline = Date.now() + timeout;
    const bytes = encoded(method, request);
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        method.path,
        asIs,
        method.responseDeserialize,
        bytes,
        metadataOf(this.options),
        { deadline },
        (error, answer) => (error ? reject(error) : resolve(answer!)),
      );
    });
  }

  stream<N extends MethodName>(name: N, request: RequestOf<N>): ClientReadableStream<ResponseOf<N>> {
    const method = methodOf(name);
    return this.client.makeServerStreamRequest(
      method.path,
      asIs,
      method.responseDeserialize,
      encoded(method, request),
      metadataOf(this.options),
      {},
    );
  }

  close(): void {
    this.client.close();
  }
}

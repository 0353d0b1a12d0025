/** HTTP/2 in this process: the server of grpc-js, with its limits, for connections that others accept. */
import type { Http2SecureServer, Http2Server } from 'node:http2';
import type { Socket } from 'node:net';
import { Server, type ServerInterceptor, type ServiceDefinition } from '@grpc/grpc-js';
import { MESSAGE_BYTES_MAX } from '../../model/model.js';
import type { Connections } from '../../observability/connections.js';
import type { TlsContexts } from '../../tls/certificates.js';
import type { Arrivals } from '../connection-limits.js';
import { clampDeadlines } from '../deadlines.js';
import { answeredByThePipeline } from '../pipeline.js';
import { serverCredentials } from './listener.js';

export interface Http2Options {
  /** Undefined: no TLS. */
  readonly certificates: TlsContexts | undefined;
  readonly maxStreamsPerConnection: number;
}

/** Limit of a call's metadata, as HTTP/2 counts it: 32 bytes more for each entry. */
const HEADER_BYTES_MAX = 64 * 1024;
/** Streams that a client may reset, which is how a watch is closed: at once, and a second. nghttp2's own 1000 and 33 are few. */
const RESETS = { burst: 10_000, rate: 1000 };

export class Http2 {
  readonly #server: Server;
  #injector: ReturnType<Server['createConnectionInjector']> | undefined;

  /** @param intercept answers all calls of these services */
  constructor(
    private readonly options: Http2Options,
    intercept: ServerInterceptor,
    services: readonly ServiceDefinition[],
  ) {
    this.#server = new Server({
      interceptors: [intercept],
      'grpc.max_concurrent_streams': options.maxStreamsPerConnection,
      // Applies where grpc-js reads; the call pipeline reads by itself.
      'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
      'grpc.max_send_message_length': -1,
      // Channelz counters would cost time for each call and message, and no service reads them.
      'grpc.enable_channelz': 0,
    });
    limitResets(this.#server, RESETS);
    for (const each of services) this.#server.addService(each, answeredByThePipeline(each));
  }

  open(arrivals: Arrivals, connections: Pick<Connections, 'failed'>): void {
    this.#injector = this.#server.createConnectionInjector(serverCredentials(this.options.certificates));
    for (const server of serversOf(this.#server)) {
      // A client that does not offer HTTP/2 in the handshake: Node would answer in HTTP/1.0.
      server.on('unknownProtocol', (socket: Socket) => socket.destroy());
      (server as Http2SecureServer).on('tlsClientError', connections.failed);
      arrivals.watch(server);
      clampDeadlines(server);
      server.updateSettings({ maxHeaderListSize: HEADER_BYTES_MAX });
    }
  }

  inject(socket: Socket): void {
    this.#injector?.injectConnection(socket);
  }

  /** Lets calls under way end, and cuts off the rest after `grace`, in milliseconds. */
  drain(grace: number): void {
    // Not forceShutdown: without channelz grpc-js tracks no connections.
    this.#injector?.drain(grace);
    this.#server.tryShutdown(() => {});
  }
}

/**
 * How many resets of streams end a connection (GOAWAY). From Node 22.10 on; before, http2 has no such option and passes
 * it over. grpc-js has none, but keeps the options that it makes servers with.
 */
function limitResets(server: Server, { burst, rate }: { burst: number; rate: number }): void {
  const { commonServerOptions } = server as unknown as { readonly commonServerOptions?: object };
  if (commonServerOptions) Object.assign(commonServerOptions, { streamResetBurst: burst, streamResetRate: rate });
}

/** For what gRPC has no settings. */
function serversOf(server: Server): Iterable<Http2Server> {
  return (server as unknown as { readonly http2Servers: ReadonlyMap<Http2Server, unknown> }).http2Servers.keys();
}

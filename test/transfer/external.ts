/** An ExternalStoreService as a user would write it: a map behind a server. Each call can be made to fail. */
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData, status } from '@grpc/grpc-js';
import {
  type ExternalStoreServiceServer,
  ExternalStoreServiceService,
  type SavedContext,
} from '../../src/gen/chord/v1/external_store_service.js';
import type { Pair } from '../support/certificates.js';

const PAGE = 100;

type Handler<Q, A> = (request: Q) => A;

function serverCredentials(pair: Pair | undefined): ServerCredentials {
  if (!pair) return ServerCredentials.createInsecure();
  return ServerCredentials.createSsl(null, [
    { cert_chain: Buffer.from(pair.cert), private_key: Buffer.from(pair.key) },
  ]);
}

export class External {
  readonly saved = new Map<string, SavedContext>();
  /** Calls that came, by name. */
  readonly calls: string[] = [];
  address = '';
  #scheme = 'grpc';
  readonly #server = new Server({ 'grpc.max_receive_message_length': -1 });

  /** With TLS where a certificate is given. */
  static async start(pair?: Pair): Promise<External> {
    const external = new External();
    external.#server.addService(ExternalStoreServiceService, external.#handlers());
    const port = await new Promise<number>((resolve, reject) =>
      external.#server.bindAsync('127.0.0.1:0', serverCredentials(pair), (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    external.address = `127.0.0.1:${port}`;
    external.#scheme = pair ? 'grpcs' : 'grpc';
    return external;
  }

  get url(): string {
    return `${this.#scheme}://${this.address}`;
  }

  /** Calls under way are cut off. */
  stop(): void {
    this.#server.forceShutdown();
  }

  #handlers(): ExternalStoreServiceServer {
    return {
      save: this.#serve('save', ({ context }) => {
        this.saved.set(context!.contextId, context!);
        return {};
      }),
      load: this.#serve('load', ({ contextId }) => {
        const context = this.saved.get(contextId);
        if (!context) throw Object.assign(new Error('not here'), { code: status.NOT_FOUND });
        return { context };
      }),
      list: this.#serve('list', ({ prefix, pageToken }) => {
        const ids = [...this.saved.keys()].filter((id) => id.startsWith(prefix));
        const at = Number(pageToken);
        return {
          contextIds: ids.slice(at, at + PAGE),
          nextPageToken: at + PAGE < ids.length ? String(at + PAGE) : '',
        };
      }),
      delete: this.#serve('delete', ({ contextId }) => ({ existed: this.saved.delete(contextId) })),
    };
  }

  #serve<Q, A>(name: string, handle: Handler<Q, A>) {
    return ({ request }: ServerUnaryCall<Q, A>, callback: sendUnaryData<A>) => {
      this.calls.push(name);
      try {
        callback(null, handle(request));
      } catch (error) {
        callback(error as Error);
      }
    };
  }
}

/**
 * Exported contexts in a store that users of Chord provide: `grpc://HOST:PORT`, or `grpcs://` with TLS, where a server
 * implements chord.v1.ExternalStoreService. Each call has a deadline, and is cancelled when Chord abandons it.
 */
import {
  type CallOptions,
  type ChannelCredentials,
  type ClientUnaryCall,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from '@grpc/grpc-js';
import { ExternalStoreServiceClient } from '../../gen/chord/v1/external_store_service.js';
import type { Provider, SavedContext } from '../export-provider.js';

/**
 * @param timeout of each call, in milliseconds
 * @param authorities PEM of the authorities that TLS trusts; the well-known ones where absent
 */
export function openRemote(url: string, timeout: number, authorities?: Buffer): Provider {
  const [scheme, address] = url.split('://') as [string, string];
  const channel = scheme === 'grpcs' ? credentials.createSsl(authorities) : credentials.createInsecure();
  return new RemoteProvider(address, channel, timeout);
}

type Call<Q, A> = (
  request: Q,
  metadata: Metadata,
  options: Partial<CallOptions>,
  callback: (error: ServiceError | null, answer: A) => void,
) => ClientUnaryCall;

class RemoteProvider implements Provider {
  readonly #client: ExternalStoreServiceClient;

  constructor(
    address: string,
    channel: ChannelCredentials,
    private readonly timeout: number,
  ) {
    this.#client = new ExternalStoreServiceClient(address, channel, {
      'grpc.max_send_message_length': -1,
      'grpc.max_receive_message_length': -1,
      'grpc.keepalive_time_ms': 30_000,
      'grpc.keepalive_timeout_ms': 10_000,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 5000,
    });
  }

  async save({ id, position, exportedAt, text }: SavedContext, signal: AbortSignal): Promise<void> {
    const at = { seconds: Math.floor(exportedAt / 1000), nanos: Math.round((exportedAt % 1000) * 1e6) };
    const context = { contextId: id, position, exportedAt: at, document: text };
    await this.#call(this.#client.save, { context }, signal);
  }

  async load(contextId: string, signal: AbortSignal): Promise<string | null> {
    try {
      const { context } = await this.#call(this.#client.load, { contextId }, signal);
      if (context?.contextId !== contextId) throw new Error('the answer has another context, or none');
      return context.document;
    } catch (error) {
      if ((error as ServiceError).code === status.NOT_FOUND) return null;
      throw error;
    }
  }

  async *list(prefix: string, signal: AbortSignal): AsyncGenerator<string> {
    let pageToken = '';
    do {
      const page = await this.#call(this.#client.list, { prefix, pageToken }, signal);
      if (page.nextPageToken === pageToken && pageToken !== '') throw new Error('the list repeats a page token');
      for (const id of page.contextIds) if (id.startsWith(prefix)) yield id;
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
  }

  async delete(contextId: string, signal: AbortSignal): Promise<boolean> {
    return (await this.#call(this.#client.delete, { contextId }, signal)).existed;
  }

  async close(): Promise<void> {
    this.#client.close();
  }

  #call<Q, A>(method: Call<Q, A>, request: Q, signal: AbortSignal): Promise<A> {
    return new Promise((resolve, reject) => {
      const deadline = Date.now() + this.timeout;
      const call = method.call(this.#client, request, new Metadata(), { deadline }, (error, answer) => {
        signal.removeEventListener('abort', cancel);
        if (error) reject(error);
        else resolve(answer);
      });
      const cancel = () => call.cancel();
      signal.addEventListener('abort', cancel);
    });
  }
}

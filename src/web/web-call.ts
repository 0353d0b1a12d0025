/**
 * A call that arrives over HTTP in a protocol of Connect, in the form that the call pipeline answers. Connect decodes the
 * request and encodes the answers; the pipeline in between sees the same bytes as from gRPC.
 */
import { Code, ConnectError, type HandlerContext } from '@connectrpc/connect';
import { Metadata, status } from '@grpc/grpc-js';
import { Status } from '../gen/google/rpc/status.js';
import type { CallStatus } from '../grpc/call.js';
import type { Inner } from '../grpc/node-http2.js';

type Listener = Parameters<Inner['start']>[0];

/** Who calls, and with which headers. */
export interface WebCaller {
  /** HOST:PORT */
  readonly peer: string;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly authContext: () => ReturnType<Inner['getAuthContext']>;
}

interface Sent {
  readonly bytes: Uint8Array;
  readonly onLeft: () => void;
}

const DETAILS = 'grpc-status-details-bin';

export class WebCall implements Inner {
  #listener: Listener | undefined;
  /** Resolves when the pipeline has admitted the caller; rejects where it has refused the call. */
  readonly #admitted: Promise<void>;
  #admit!: () => void;
  #refuse!: (error: ConnectError) => void;
  #request: Uint8Array | undefined;
  #reads = 0;
  readonly #sent: Sent[] = [];
  #status: CallStatus | undefined;
  #to: Pick<HandlerContext, 'responseHeader'> | undefined;
  #wake = () => {};
  /** Bytes of the request that have arrived. */
  held = 0;
  /** Called when more of them arrive. */
  onReceived = () => {};
  /** Called where they are no request of this method. */
  onUnreadable: (error: unknown) => void = () => {};

  /** @param read reads the message of the request, once the pipeline has admitted the caller */
  constructor(
    private readonly caller: WebCaller,
    private readonly read: () => Promise<Uint8Array>,
  ) {
    this.#admitted = new Promise((resolve, reject) => {
      this.#admit = resolve;
      this.#refuse = reject;
    });
    this.#admitted.catch(() => {}); // Connect may have refused the request before it is waited for
  }

  /** Counts the bytes of a request as they arrive, and ends where the pipeline has ended the call. */
  async *count(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      this.held += chunk.length;
      this.onReceived();
      if (this.#status) throw errorOf(this.#status);
      yield chunk;
    }
  }

  /**
   * The answers, no faster than they are read.
   * @param to receives what goes beside them. Its signal is aborted when the client waits no more, with the reason
   * @throws ConnectError where the pipeline refuses the call or its handler fails
   */
  async *answers(
    to: Pick<HandlerContext, 'signal' | 'responseHeader' | 'responseTrailer'>,
  ): AsyncGenerator<Uint8Array> {
    const { signal: ended } = to;
    this.#to = to;
    const cancel = () => this.cancel();
    ended.addEventListener('abort', cancel);
    try {
      await this.#admitted;
      await this.#receive();
      for (;;) {
        const next = this.#sent.shift();
        if (next) {
          yield next.bytes;
          next.onLeft();
        } else if (ended.aborted) throw ConnectError.from(ended.reason, Code.Canceled);
        else if (this.#status) {
          appendTo(to.responseTrailer, this.#status.metadata);
          if (this.#status.code === status.OK) return;
          throw errorOf(this.#status);
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      ended.removeEventListener('abort', cancel);
      this.cancel();
    }
  }

  /** The client waits no more. Without effect on a call that is over. */
  cancel(): void {
    this.#listener?.onCancel();
    this.#wake();
  }

  start(listener: Listener): void {
    this.#listener = listener;
    listener.onReceiveMetadata(metadataOf(this.caller.headers));
  }

  startRead(): void {
    this.#reads++;
    this.#admit();
    this.#deliver();
  }

  sendMetadata(metadata: Metadata): void {
    if (this.#to) appendTo(this.#to.responseHeader, metadata);
  }

  sendMessage(bytes: Uint8Array, onLeft: () => void): void {
    this.#sent.push({ bytes, onLeft });
    this.#wake();
  }

  sendStatus(how: CallStatus): void {
    this.#status = how;
    this.#refuse(errorOf(how));
    this.#wake();
  }

  getPeer(): string {
    return this.caller.peer;
  }

  getAuthContext(): ReturnType<Inner['getAuthContext']> {
    return this.caller.authContext();
  }

  getDeadline(): number {
    return Infinity;
  }

  getHost(): string {
    return String(this.caller.headers[':authority'] ?? this.caller.headers.host ?? '');
  }

  getConnectionInfo(): ReturnType<Inner['getConnectionInfo']> {
    return {};
  }

  getMetricsRecorder(): never {
    throw new Error('calls over the web record no load metrics');
  }

  async #receive(): Promise<void> {
    try {
      this.#request = await this.read();
      this.#deliver();
    } catch (error) {
      this.onUnreadable(error);
    }
  }

  /** The first read gets the request, the second one its end. */
  #deliver(): void {
    if (this.#request === undefined) return;
    if (this.#reads === 1) this.#listener?.onReceiveMessage(Buffer.from(this.#request));
    else if (this.#reads === 2) this.#listener?.onReceiveHalfClose();
  }
}

/** Headers of HTTP itself stay out, as they do with gRPC. */
const HTTP_HEADERS = new Set([
  'connection',
  'content-length',
  'host',
  'keep-alive',
  'te',
  'transfer-encoding',
  'upgrade',
]);

function metadataOf(headers: WebCaller['headers']): Metadata {
  const own = Object.entries(headers).filter(([name]) => !HTTP_HEADERS.has(name));
  return Metadata.fromHttp2Headers(Object.fromEntries(own));
}

/** All but the details of an error, which each protocol sends in its own way. */
function appendTo(headers: Headers, metadata: CallStatus['metadata']): void {
  for (const [name, values] of Object.entries(metadata?.toHttp2Headers() ?? {})) {
    if (name !== DETAILS) for (const value of [values ?? []].flat()) headers.append(name, String(value));
  }
}

/** The codes of Connect are those of gRPC. */
function errorOf({ code, details, metadata }: CallStatus): ConnectError {
  const error = new ConnectError(details ?? '', (code ?? status.UNKNOWN) as number as Code);
  const [packed] = metadata?.get(DETAILS) ?? [];
  if (packed) {
    error.details = Status.decode(packed as Buffer).details.map(({ typeUrl, value }) => ({
      type: typeUrl.slice(typeUrl.lastIndexOf('/') + 1),
      value,
    }));
  }
  return error;
}

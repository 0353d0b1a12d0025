/**
 * Watch streams: the one place where backpressure, cancellation and the end of a stream are dealt with.
 *
 * A stream has room until ROOM_BYTES wait to leave the process, and again once they have left. Node reports each
 * message's departure, so a reader that stalls leaves about that much behind, whatever happens to the contexts that
 * it watches.
 */
import { type ServerWritableStream, type StatusObject, status } from '@grpc/grpc-js';
import { type DeltaForm, type Formats, PLAIN } from '../contexts/forms.js';
import type { ContextService } from '../contexts/service.js';
import { type ChordError, invalid } from '../errors.js';
import type { WatchContextsRequest, WatchContextsResponse } from '../gen/chord/v1/sync_service.js';
import type { Deliveries } from '../observe/deliveries.js';
import type { Hub } from '../watch/hub.js';
import { type Sink, type WatchEvent, Watcher } from '../watch/watcher.js';
import { fromDuration, fromSubscriptions, toDuration } from './convert.js';
import type { Call, ErrorMapper } from './edge.js';
import { watchResponse } from './wire.js';

export type WatchRpc = ServerWritableStream<WatchContextsRequest, WatchContextsResponse | Buffer>;

const ROOM_BYTES = 32 * 1024;
const HEARTBEAT_MIN = 1000;
const HEARTBEAT_MAX = 3_600_000;

export interface WatchStreamsOptions {
  readonly service: ContextService;
  readonly hub: Hub;
  readonly formats: Formats;
  readonly deliveries: Deliveries;
  /** Milliseconds between heartbeats where the client asks for none. */
  readonly heartbeatInterval: number;
  readonly toStatus: ErrorMapper;
}

/** All open watch streams of a server. */
export class WatchStreams {
  readonly #open = new Set<WatchStream>();

  constructor(private readonly options: WatchStreamsOptions) {}

  get size(): number {
    return this.#open.size;
  }

  serve(rpc: WatchRpc, call: Call): void {
    const stream = new WatchStream(rpc, this.options, () => this.#open.delete(stream));
    this.#open.add(stream);
    call.close = (error) => stream.refuse(error);
    stream.open();
  }

  /** Tells every reader that the stream ends, and when to come back: spread out, so that not all come at once. */
  closeAll(reason: string, retryWithin: number): void {
    for (const stream of this.#open) stream.closing(reason, Math.round(Math.random() * retryWithin));
  }
}

class WatchStream implements Sink {
  #watcher: Watcher | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  /** Messages that have not left, and the bytes sent since all had. */
  #messagesWaiting = 0;
  #bytesWaiting = 0;
  #full = false;
  #form: DeltaForm = PLAIN;
  #ended = false;

  constructor(
    private readonly rpc: WatchRpc,
    private readonly options: WatchStreamsOptions,
    private readonly onEnd: () => void,
  ) {}

  open(): void {
    const { rpc, options } = this;
    // Whichever way a call ends, one of these says so.
    rpc.on('cancelled', () => this.#end());
    rpc.on('close', () => this.#end());
    rpc.on('error', () => this.#end());
    try {
      const { request } = rpc;
      this.#form = options.formats.form(request.format, request.includeOldValues);
      const subscriptions = fromSubscriptions(request.subscriptions);
      const interval = heartbeatInterval(fromDuration(request.heartbeatInterval)) ?? options.heartbeatInterval;
      const wholeLists = this.#form.format?.wholeLists ?? false;
      const watcher = new Watcher(options.service, options.hub, subscriptions, this, wholeLists);
      this.#watcher = watcher;
      this.#heartbeat = setInterval(() => watcher.heartbeat(), interval);
      watcher.open().catch((error) => this.fail(error));
    } catch (error) {
      this.fail(error);
    }
  }

  ready(): boolean {
    return !this.#full && !this.#ended;
  }

  send(event: WatchEvent): void {
    if (this.#ended) return;
    const bytes = watchResponse(event, this.#form);
    this.options.deliveries.count(event, bytes.length);
    this.#messagesWaiting++;
    this.#bytesWaiting += bytes.length;
    if (this.#bytesWaiting >= ROOM_BYTES) this.#full = true;
    this.rpc.write(bytes, this.#onLeft);
  }

  fail(error: unknown): void {
    if (this.#ended) return;
    const failure = this.options.toStatus(error);
    this.#end();
    this.rpc.emit('error', failure);
  }

  /** The server goes: the reader may come back. */
  closing(reason: string, retryAfter: number): void {
    this.#goodbye(reason, retryAfter, { code: status.UNAVAILABLE, details: reason });
  }

  /** This reader must go. */
  refuse(error: ChordError): void {
    this.#goodbye(error.message, error.details.retryAfter, this.options.toStatus(error));
  }

  #goodbye(reason: string, retryAfter: number | undefined, failure: Partial<StatusObject>): void {
    if (this.#ended) return;
    const value = { reason, retryAfter: retryAfter === undefined ? undefined : toDuration(retryAfter) };
    this.#end();
    this.rpc.write({ event: { $case: 'closing', value } });
    this.rpc.emit('error', failure);
  }

  /** One for all messages of the stream: a fan-out makes nothing but calls. */
  readonly #onLeft = (): void => {
    if (--this.#messagesWaiting > 0) return;
    this.#bytesWaiting = 0;
    if (!this.#full) return;
    this.#full = false;
    this.#watcher?.resume();
  };

  #end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#heartbeat);
    this.#watcher?.close();
    this.onEnd();
  }
}

function heartbeatInterval(asked: number | undefined): number | undefined {
  if (asked !== undefined && !(asked >= HEARTBEAT_MIN && asked <= HEARTBEAT_MAX)) {
    throw invalid('heartbeat_interval', 'must be between 1 s and 1 h');
  }
  return asked;
}

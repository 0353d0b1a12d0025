/**
 * Watch streams: the one place for backpressure, cancellation and the end of a stream.
 *
 * A stream has room until ROOM_BYTES wait to leave the process, and again after they have left. Node reports when each
 * message has left, so a stalled reader leaves about that many bytes waiting, whatever happens to the contexts that it
 * watches.
 */
import { status } from '@grpc/grpc-js';
import type { ContextService } from '../../contexts/service.js';
import { type DeltaForm, type Formats, PLAIN } from '../../contexts/sync/formats.js';
import type { WatchContextsRequest } from '../../gen/chord/v1/sync_service.js';
import { type ChordError, invalid } from '../../model/errors.js';
import type { Deliveries } from '../../observability/deliveries.js';
import type { Hub } from '../../watch/hub.js';
import type { Sink, WatchEvent } from '../../watch/subscription.js';
import { Watcher } from '../../watch/watcher.js';
import type { Call } from '../call.js';
import { watchResponse } from '../codec/response-encoder.js';
import { fromSubscriptions } from '../codec/sync-messages.js';
import { fromDuration, toDuration } from '../codec/times.js';

const ROOM_BYTES = 32 * 1024;
/** Approximate memory of a waiting message beside its bytes: frames, callbacks, system requests. */
const MESSAGE_BYTES = 512;
const HEARTBEAT_MIN = 1000;
const HEARTBEAT_MAX = 3_600_000;

export interface WatchStreamsOptions {
  readonly service: ContextService;
  readonly hub: Hub;
  readonly formats: Formats;
  readonly deliveries: Deliveries;
  /** Milliseconds between heartbeats for a client that sets no interval. */
  readonly heartbeatInterval: number;
}

/** All open watch streams of a server. */
export class WatchStreams {
  readonly #open = new Set<WatchStream>();

  constructor(private readonly options: WatchStreamsOptions) {}

  get size(): number {
    return this.#open.size;
  }

  serve(call: Call): void {
    const stream = new WatchStream(call, this.options);
    this.#open.add(stream);
    call.onEnd = () => {
      this.#open.delete(stream);
      stream.end();
    };
    call.onClose = (error) => stream.refuse(error);
    stream.open();
  }

  /**
   * Sends `closing` to every reader, with a time to reconnect: spread out, so that readers do not all reconnect at
   * once.
   */
  closeAll(reason: string, retryWithin: number): void {
    for (const stream of this.#open) stream.closing(reason, Math.round(Math.random() * retryWithin));
  }
}

class WatchStream implements Sink {
  #watcher: Watcher | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  /** Number of messages that have not left, and the bytes sent since all messages had left. */
  #messagesWaiting = 0;
  #bytesWaiting = 0;
  #full = false;
  #form: DeltaForm = PLAIN;
  #ended = false;

  constructor(
    private readonly call: Call,
    private readonly options: WatchStreamsOptions,
  ) {}

  open(): void {
    const { options } = this;
    const request = this.call.request as WatchContextsRequest;
    try {
      this.#form = options.formats.form(request.format, request.includeOldValues);
      const subscriptions = fromSubscriptions(request.subscriptions);
      const interval =
        heartbeatInterval(fromDuration(request.heartbeatInterval, 'heartbeat_interval')) ?? options.heartbeatInterval;
      const { rights } = this.call;
      const partsOf = rights && ((id: string) => rights.partsOf('watch', id));
      const watcher = new Watcher(options.service, options.hub, subscriptions, this, this.#form, partsOf);
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

  send(event: WatchEvent, more: boolean): void {
    if (this.#ended) return;
    const bytes = watchResponse(event, this.#form, more);
    this.options.deliveries.count(event, bytes.length);
    this.call.messagesSent++;
    this.call.bytesSent += bytes.length;
    this.#messagesWaiting++;
    this.#bytesWaiting += bytes.length + MESSAGE_BYTES;
    if (this.#bytesWaiting >= ROOM_BYTES) this.#full = true;
    this.call.writeEncoded(bytes, this.#onLeft);
  }

  follows(contexts: number): void {
    if (this.#ended) return;
    const refusal = this.call.usage?.follow(contexts);
    // Deferred: the watcher is in the middle of its own work.
    if (refusal) queueMicrotask(() => this.refuse(refusal));
  }

  fail(error: unknown): void {
    this.call.fail(error);
  }

  /** The server stops: the reader may reconnect. */
  closing(reason: string, retryAfter: number): void {
    this.#sayGoodbye(reason, retryAfter);
    this.call.finish({ code: status.UNAVAILABLE, details: reason });
  }

  /** Ends the stream with an error. */
  refuse(error: ChordError): void {
    this.#sayGoodbye(error.message, error.details.retryAfter);
    this.call.fail(error);
  }

  #sayGoodbye(reason: string, retryAfter: number | undefined): void {
    const value = { reason, retryAfter: retryAfter === undefined ? undefined : toDuration(retryAfter) };
    this.call.write({ event: { $case: 'closing', value }, more: false });
  }

  /** One function for all messages of the stream: a fan-out allocates no closures. */
  readonly #onLeft = (): void => {
    if (--this.#messagesWaiting > 0) return;
    this.#bytesWaiting = 0;
    if (!this.#full) return;
    this.#full = false;
    this.#watcher?.resume();
  };

  /** The call is over, by the client or the server. */
  end(): void {
    this.#ended = true;
    clearInterval(this.#heartbeat);
    this.#watcher?.close();
  }
}

function heartbeatInterval(asked: number | undefined): number | undefined {
  if (asked !== undefined && !(asked >= HEARTBEAT_MIN && asked <= HEARTBEAT_MAX)) {
    throw invalid('heartbeat_interval', 'must be between 1 s and 1 h');
  }
  return asked;
}

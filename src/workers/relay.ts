/**
 * The worker's side of a call: receives the request, passes it to the engine, and sends what the engine answers. It knows
 * no method but by its path.
 */
import { type Metadata, ServerInterceptingCall, status } from '@grpc/grpc-js';
import { decompress, isEncoding } from '../grpc/codec/decompress.js';
import { Body } from '../grpc/codec/request-body.js';
import type { Unfinished, UnfinishedCalls } from '../grpc/incomplete-requests.js';
import { encodingOf, hangUp, holdBack, type Inner, receive, writeShared } from '../grpc/node-http2.js';
import type { ChordError } from '../model/errors.js';
import { type FrameWriter, TO_ENGINE } from './frames.js';
import { metadataText } from './remote-call.js';

/** A method that the engine serves. */
export interface RelayedMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  /** Of each request message, decompressed. */
  readonly maxBytes: number;
}

/** What calls of a worker share. */
export interface Relays {
  readonly frames: FrameWriter;
  readonly unfinished: UnfinishedCalls;
  /** Calls that began in this turn. */
  readonly fresh: Relay[];
  /** Messages that have left, by call: reported once a turn. */
  readonly left: Map<number, number>;
  /** Calls under way, by number. */
  readonly calls: Map<number, Relay>;
}

/** Bytes of a request that are received before the engine admits the call: as many as the window of a stream lets through. */
const BEFORE_ADMISSION_MAX = 64 * 1024;

const NOTHING = (): void => {};

export class Relay extends ServerInterceptingCall implements Unfinished {
  readonly #body: Body;
  /** Until the engine has been told of the call. */
  #metadata: Metadata | undefined;
  #received = 0;
  #admitted = false;
  #heldBack = false;
  #complete = false;
  #over = false;

  constructor(
    private readonly next: Inner,
    readonly number: number,
    private readonly connection: number,
    private readonly method: RelayedMethod,
    private readonly index: number,
    private readonly relays: Relays,
  ) {
    super(next);
    this.#body = new Body(method.maxBytes);
  }

  // What grpc-js says.

  override start(): void {
    this.next.start(this);
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.#metadata = metadata;
    this.relays.calls.set(this.number, this);
    this.relays.fresh.push(this);
    this.relays.frames.ask();
    if (this.method.requestStream) return;
    this.relays.unfinished.begin(this);
    if (!receive(this.next, this)) this.next.startRead();
  }

  onData(bytes: Buffer): void {
    if (this.#over) return;
    this.#received += bytes.length;
    try {
      this.#body.add(bytes);
    } catch (error) {
      this.fail(error as ChordError);
      return;
    }
    if (this.#body.surplus) {
      this.#refuse('more than one request message');
      return;
    }
    this.relays.unfinished.grow(this);
    if (this.#admitted || this.#received <= BEFORE_ADMISSION_MAX) return;
    this.#heldBack = true;
    holdBack(this.next, true);
  }

  onDataEnd(): void {
    this.#complete = true;
    if (this.#over) return;
    const body = this.#body;
    if (!body.whole) {
      this.#refuse('no request message');
      return;
    }
    const encoding = body.packed ? encodingOf(this.next) : 'identity';
    if (encoding === 'identity') this.#pass(body.message);
    else if (isEncoding(encoding)) {
      decompress(body.message, encoding, this.method.maxBytes).then(
        (message) => this.#pass(message),
        (error) => this.fail(error),
      );
    } else this.#refuse(`cannot unpack ${encoding}`);
  }

  /** Where grpc-js reads: streams of requests. */
  onReceiveMessage(message: unknown): void {
    this.#send(message as Buffer, !this.method.requestStream);
  }

  onReceiveHalfClose(): void {
    this.#complete = true;
    if (this.#over) return;
    this.announce();
    this.relays.frames.begin(TO_ENGINE.body).int(this.number).int(1).end();
  }

  onCancel(): void {
    this.#end();
    if (!this.#metadata) this.relays.frames.begin(TO_ENGINE.cancel).int(this.number).end();
  }

  get waits(): boolean {
    return !this.#complete && !this.#over;
  }

  get held(): number {
    return this.#body.held;
  }

  settle(): void {
    this.#body.settle();
  }

  /** The engine answers the call with this error. */
  fail(error: ChordError): void {
    if (this.#over) return;
    const { reason, message, details } = error;
    this.#failed(JSON.stringify({ reason, message, details }));
  }

  /** Tells the engine of the call; usually with its whole request, which has come in the same turn. */
  announce(message?: Buffer): void {
    const metadata = this.#metadata;
    if (!metadata || this.#over) return;
    this.#metadata = undefined;
    const { frames } = this.relays;
    frames.begin(TO_ENGINE.call).int(this.number).int(this.connection).int(this.index).text(metadataText(metadata));
    if (message) frames.bytes(message);
    frames.end();
  }

  // What the engine says.

  read(): void {
    this.#admitted = true;
    if (this.method.requestStream) this.next.startRead();
    if (!this.#heldBack) return;
    this.#heldBack = false;
    holdBack(this.next, false);
  }

  write(message: Buffer): void {
    if (!this.#over && !writeShared(this.next, message, this.#onLeft)) this.next.sendMessage(message, this.#onLeft);
  }

  answer(message: Buffer): void {
    if (this.#over) return;
    this.next.sendMessage(message, NOTHING);
    this.finish(status.OK, 'OK', undefined);
  }

  finish(code: number, details: string, metadata: Metadata | undefined): void {
    if (this.#over) return;
    this.#end();
    this.next.sendStatus({ code, details, ...(metadata && { metadata }) });
    if (!this.#complete) hangUp(this.next);
  }

  readonly #onLeft = (): void => {
    const { left, frames } = this.relays;
    left.set(this.number, (left.get(this.number) ?? 0) + 1);
    frames.ask();
  };

  #pass(message: Buffer): void {
    if (this.#over) return;
    this.relays.unfinished.end(this);
    this.#send(message, true);
  }

  #send(message: Buffer, last: boolean): void {
    if (this.#over) return;
    if (this.#metadata && last) this.announce(message);
    else {
      this.announce();
      this.relays.frames
        .begin(TO_ENGINE.body)
        .int(this.number)
        .int(last ? 1 : 0)
        .bytes(message)
        .end();
    }
  }

  #refuse(what: string): void {
    this.#failed(JSON.stringify({ unimplemented: what }));
  }

  #failed(why: string): void {
    this.relays.unfinished.end(this);
    this.announce();
    this.relays.frames.begin(TO_ENGINE.failed).int(this.number).text(why).end();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.relays.unfinished.end(this);
    this.relays.calls.delete(this.number);
  }
}

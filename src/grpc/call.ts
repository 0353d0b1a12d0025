/** One call, from its metadata to its status, and what the call pipeline is made of. See pipeline.ts. */
import { type Metadata, ServerInterceptingCall, type StatusObject, status } from '@grpc/grpc-js';
import type { DocumentRights } from '../auth/document-rights.js';
import { ANONYMOUS, type Identity } from '../auth/identity.js';
import type { ChordError } from '../model/errors.js';
import { MESSAGE_BYTES_MAX } from '../model/model.js';
import type { QuotaUsage } from '../quota/quotas.js';
import { decompress, isEncoding, LARGE_BYTES, largeMessages } from './codec/decompress.js';
import { Body } from './codec/request-body.js';
import type { Unfinished, UnfinishedCalls } from './incomplete-requests.js';
import { encodingOf, hangUp, type Inner, limitMessages, type Receiver, receive, writeShared } from './node-http2.js';

export type ErrorMapper = (error: unknown) => StatusObject;

export interface Method {
  /** `chord.v1.ContextService` */
  readonly service: string;
  /** `UpdateContext` */
  readonly name: string;
  /** Its answer is a stream, or a single message that the call may wait long for. */
  readonly streams: boolean;
}

/**
 * What middleware and streams note on a call. Each slot has one writer, which is named here and which the types admit; all
 * others read. The slots are fields of the call itself: they cost no allocation.
 */
export interface CallData {
  /** Written by middleware/auth. Anonymous where there is none. */
  identity: Identity;
  /** Written by middleware/auth. Undefined: each right that the call needs is to whole documents. */
  rights: DocumentRights | undefined;
  /** Written by middleware/metrics, as `performance.now()` counts. */
  startedAt: number;
  /** Written by middleware/tracing: what the handler runs within. */
  within: ((work: () => void) => void) | undefined;
  /** Written by middleware/tracing. */
  traceId: string | undefined;
  /** Written by middleware/quota: what the call holds of quotas. Undefined where there are none. */
  usage: QuotaUsage | undefined;
  /** Written by services/watch-streams, as is the next. */
  messagesSent: number;
  bytesSent: number;
}

/** A call as middleware sees it that writes these slots alone. */
export type CallFor<Slots extends keyof CallData = never> = Readonly<Call> & Pick<CallData, Slots>;

export interface Middleware<Slots extends keyof CallData = never> {
  /** Lets the call on, at once or later, or throws the ChordError that refuses it. */
  enter(call: CallFor<Slots>): void | Promise<void>;
  /** What became of a call that this middleware let in. Called once for each. Must not throw. */
  leave?(call: CallFor<Slots>, end: End): void;
}

export interface End {
  readonly code: status;
  /** What the client was told, where it was refused or failed. */
  readonly details?: string;
  /** Of a unary call that succeeded: a message, or one encoded. */
  readonly answer?: unknown;
}

/**
 * Stands between middleware that needs the metadata alone and middleware that needs the request. A request that cannot be
 * decoded is refused here: what stands behind never sees it.
 */
export const decoded: Middleware = { enter() {} };

export interface Route extends Method {
  readonly path: string;
  /** Bytes to a request. Throws the ChordError that says why they are none. */
  readonly decode?: (bytes: Buffer) => unknown;
  /** The same for large requests, in steps. */
  readonly decodeLarge?: ((bytes: Buffer) => Promise<unknown>) | undefined;
  readonly encode: (answer: unknown) => Uint8Array;
  /** Of each request message, unpacked. */
  readonly maxBytes?: number;
  /** In place of the middleware of the pipeline. */
  readonly middleware?: readonly Middleware[];
  /** Of a unary method: answers, or promises to. */
  readonly unary?: (request: never, call: Call) => unknown;
  /** Of a stream: writes to the call and finishes it. */
  readonly stream?: (call: Call) => void;
  /** Of streams in both directions: answers each message. The middleware see no request. */
  readonly each?: (message: never) => unknown;
}

export type CallStatus = Parameters<Inner['sendStatus']>[0];

/** What a call needs of the pipeline that it passes. */
interface Pipeline {
  readonly middleware: readonly Middleware[];
  readonly toStatus: ErrorMapper;
  /** Receives what middleware throws when a call leaves it. */
  readonly onDefect: (error: unknown) => void;
  readonly unfinished?: UnfinishedCalls | undefined;
}

const OK = { code: status.OK, details: 'OK' };
const CANCELLED: End = { code: status.CANCELLED };
const NOTHING = (): undefined => {};

export class Call extends ServerInterceptingCall implements Receiver, Unfinished, CallData {
  // First what each message of a fan-out looks at: it lies together in memory.
  #over = false;
  messagesSent = 0;
  bytesSent = 0;
  identity: Identity = ANONYMOUS;
  rights: DocumentRights | undefined;
  metadata!: Metadata;
  /** Decoded, behind `decoded`. Of `each` there is none at all. */
  request: unknown;
  /** What the request weighed on the wire, decompressed, in bytes. */
  requestBytes = 0;
  /** The client no longer waits for the answer. */
  cancelled = false;
  startedAt = 0;
  within: ((work: () => void) => void) | undefined;
  traceId: string | undefined;
  usage: QuotaUsage | undefined;
  /** Called at the end of a stream, whichever side ended it. */
  onEnd: () => void = NOTHING;
  /** Of a stream that says a word before it is ended. */
  onClose: ((error: ChordError) => void) | undefined;
  #body: Body | undefined;
  #middleware: readonly Middleware[];
  #entered = 0;
  #admitted = false;
  /** Its request is to be received, and is not yet. */
  #waits = false;
  #received = false;
  /** The client sends no more. */
  complete = false;

  constructor(
    private readonly next: Inner,
    private readonly route: Route,
    private readonly pipeline: Pipeline,
    /** The same object for all calls of a connection; undefined where it is not known. */
    readonly connection: object | undefined,
  ) {
    super(next);
    this.#middleware = route.middleware ?? pipeline.middleware;
  }

  get method(): Method {
    return this.route;
  }

  /** Whether it has passed all middleware. */
  get admitted(): boolean {
    return this.#admitted;
  }

  /** Ours are the ears in place of the listener that grpc-js offers. */
  override start(): void {
    this.next.start(this);
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.metadata = metadata;
    this.#pass();
  }

  onData(bytes: Buffer): void {
    if (this.#over) return;
    this.#body ??= new Body(this.#maxBytes);
    try {
      this.#body.add(bytes);
      if (this.#body.surplus) this.#refuse('more than one request message');
      else this.pipeline.unfinished?.grow(this);
    } catch (error) {
      this.fail(error);
    }
  }

  onDataEnd(): void {
    this.complete = true;
    const body = this.#body; // none where the call is over, and refusing such a call does nothing
    const encoding = body?.packed ? encodingOf(this.next) : undefined;
    if (!body?.whole) this.#refuse('no request message');
    else if (encoding === undefined) this.#receive(body.message);
    else if (isEncoding(encoding)) {
      this.#arrived();
      const unpacked = decompress(body.message, encoding, this.#maxBytes);
      unpacked.then((message) => this.#receive(message)).catch((error) => this.fail(error));
    } else if (encoding === 'identity') this.#refuse('a packed message without an encoding', status.INTERNAL);
    else this.#refuse(`cannot unpack ${encoding}`);
  }

  /** Where grpc-js reads. */
  onReceiveMessage(message: unknown): void {
    const { each } = this.route;
    if (each) {
      this.#arrived();
      try {
        this.write(each(message as never), () => this.next.startRead());
      } catch (error) {
        this.fail(error);
      }
      return;
    }
    if (this.request !== undefined) this.#refuse('more than one request message');
    else {
      this.request = message;
      this.next.startRead();
    }
  }

  onReceiveHalfClose(): void {
    this.complete = true;
    if (this.route.each) this.finish();
    else if (this.request === undefined) this.#refuse('no request message');
    else this.#receive(this.request as Buffer);
  }

  get waits(): boolean {
    return this.#waits;
  }

  get held(): number {
    return this.#body?.held ?? (this.next as { readonly held?: number }).held ?? 0;
  }

  settle(): void {
    this.#body?.settle();
  }

  /** Also called after a regular end. */
  onCancel(): void {
    this.cancelled = true;
    // The work of a unary call goes on, and counts until it is done.
    if (!this.route.unary || !this.#received) this.#end(CANCELLED);
  }

  /** One more message of a stream, as it is in the .proto. `onLeft` hears when it has left the process. */
  write(message: unknown, onLeft: () => void = NOTHING): void {
    if (!this.#over) this.next.sendMessage(this.route.encode(message), onLeft);
  }

  /** The same for what is encoded: where it is the same Buffer for many calls, it costs each of them less. */
  writeEncoded(bytes: Buffer, onLeft: () => void): void {
    if (!this.#over && !writeShared(this.next, bytes, onLeft)) this.next.sendMessage(bytes, onLeft);
  }

  finish(how: CallStatus = OK): void {
    if (this.#over) return;
    this.#end(how);
    this.next.sendStatus(how);
    if (!this.complete) hangUp(this.next);
  }

  /** Answers with an error, or ends a stream with it. */
  fail(error: unknown): void {
    if (!this.#over) this.finish(this.pipeline.toStatus(error));
  }

  /** Ends it from outside. */
  close(error: ChordError): void {
    if (this.onClose) this.onClose(error);
    else this.fail(error);
  }

  /** Through the middleware, as far as they go without the request, or with it to the handler. */
  #pass(): void {
    try {
      const later = this.#enter();
      // An unhandled rejection would end the process: every path is caught.
      if (later instanceof Promise) later.then(() => this.#go()).catch((error) => this.fail(error));
      else this.#go();
    } catch (error) {
      this.fail(error);
    }
  }

  #go(): void {
    if (!this.#received) this.#listen();
    else if (this.within) this.within(() => this.#handle());
    else this.#handle();
  }

  /** From now on its request may come. */
  #listen(): void {
    if (this.#over) return;
    this.#waits = true;
    this.pipeline.unfinished?.begin(this);
    if (this.route.each) {
      limitMessages(this.next, this.#maxBytes);
      this.#received = true;
      this.#pass();
    } else if (!receive(this.next, this)) this.next.startRead();
  }

  #arrived(): void {
    if (!this.#waits) return;
    this.#waits = false;
    this.pipeline.unfinished?.end(this);
  }

  #receive(message: Buffer): void {
    if (message.length >= LARGE_BYTES) this.#receiveLarge(message).catch((error) => this.fail(error));
    else if (this.#decode(message)) this.#pass();
  }

  /** Decodes in one turn of the event loop, and handles the request in another one. */
  async #receiveLarge(message: Buffer): Promise<void> {
    await largeMessages.next();
    const complete = this.#decode(message, await this.route.decodeLarge?.(message));
    await largeMessages.next();
    if (complete && !this.#over) this.#pass();
  }

  #decode(message: Buffer, decoded?: unknown): boolean {
    if (this.#over) return false;
    this.#arrived();
    this.#received = true;
    this.#body = undefined;
    this.request = undefined; // where grpc-js reads, it was the message
    try {
      this.request = decoded ?? (this.route.decode ? this.route.decode(message) : message);
      this.requestBytes = message.length;
    } catch (error) {
      this.fail(error);
    }
    return !this.#over;
  }

  get #maxBytes(): number {
    return this.route.maxBytes ?? MESSAGE_BYTES_MAX;
  }

  #handle(): void {
    if (this.cancelled) this.#end(CANCELLED);
    // The call may have ended while it passed the middleware: the handler must not start then.
    if (this.#over) return;
    this.#admitted = true;
    const { unary, stream } = this.route;
    if (!unary) {
      if (stream) stream(this);
      else this.next.startRead();
      return;
    }
    const answer = unary(this.request as never, this);
    const fail = (error: unknown): void => this.fail(error);
    if (answer instanceof Promise) answer.then((value) => this.#succeed(value), fail);
    else this.#succeed(answer);
  }

  #succeed(answer: unknown): void {
    try {
      const bytes = this.route.encode(answer);
      this.#end({ code: status.OK, answer });
      this.next.sendMessage(bytes, NOTHING);
      this.next.sendStatus(OK);
    } catch (error) {
      this.fail(error);
    }
  }

  #enter(): void | Promise<void> {
    const middleware = this.#middleware;
    while (this.#entered < middleware.length) {
      if (!this.#received && middleware[this.#entered] === decoded) return;
      const later = middleware[this.#entered]!.enter(this);
      if (later) {
        return later.then(() => {
          this.#entered++;
          // It was cancelled meanwhile: the middleware behind would let in what never leaves.
          return this.#over ? this.#leave(CANCELLED) : this.#enter();
        });
      }
      this.#entered++;
    }
  }

  #leave(how: End): void {
    while (this.#entered > 0) {
      try {
        this.#middleware[--this.#entered]!.leave?.(this, how);
      } catch (error) {
        // No caller is above to catch it, and a defect of one middleware must not end the process.
        this.pipeline.onDefect(error);
      }
    }
  }

  #end(how: End): void {
    if (this.#over) return;
    this.#over = true;
    this.#arrived();
    this.#body = undefined;
    this.#leave(how);
    this.onEnd();
  }

  #refuse(what: string, code = status.UNIMPLEMENTED): void {
    this.finish({ code, details: `${this.route.name}: ${what}` });
  }
}

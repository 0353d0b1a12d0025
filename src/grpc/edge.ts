/**
 * What every call of Chord's services passes between the wire and its handler, in one place: the stages, in their
 * order, then the handler; and back, the stages that let it in, in the opposite order.
 *
 * A stage is whatever looks at all calls alike: who calls and whether they may, how much they may, what is noted of
 * it. It sees the decoded request, and may refuse. The handlers know nothing of stages.
 *
 * The edge is an interceptor of grpc-js that answers the calls itself. What grpc-js would put between (a stream
 * object for each call, and for each answer a wait until it has left before the status follows) costs a small call
 * a tenth of its time, and a fan-out more.
 */
import {
  type Metadata,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServiceDefinition,
  type StatusObject,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ANONYMOUS, type Identity } from '../access/identity.js';
import { ChordError } from '../errors.js';
import type { Usage } from '../quota/quotas.js';
import { connectionOf, type Inner, mend, writeShared } from './internals.js';

export type ErrorMapper = (error: unknown) => StatusObject;

export interface Method {
  /** `chord.v1.ContextService` */
  readonly service: string;
  /** `UpdateContext` */
  readonly name: string;
  /** Its answer is a stream. */
  readonly streams: boolean;
}

export interface Stage {
  /** Lets the call on, at once or later, or throws the ChordError that refuses it. */
  enter(call: Call): void | Promise<void>;
  /** What became of a call that this stage let in. Called once for each. Must not throw. */
  leave?(call: Call, end: End): void;
}

export interface End {
  readonly code: status;
  /** What the client was told, where it was refused or failed. */
  readonly details?: string;
  /** Of a unary call that succeeded: a message, or one encoded. */
  readonly answer?: unknown;
}

/** The stage after which a request is known to be one: what could not be decoded is refused here. */
export const decoded: Stage = {
  enter({ request }) {
    if (request instanceof ChordError) throw request;
  },
};

/** A method with what answers it. */
interface Route extends Method {
  readonly path: string;
  readonly encode: (answer: unknown) => Uint8Array;
  /** Of a unary method: answers, or promises to. */
  readonly unary?: (request: never, call: Call) => unknown;
  /** Of a stream: writes to the call and finishes it. */
  readonly stream?: (call: Call) => void;
  /** Of streams in both directions: answers each message. The stages see no request. */
  readonly each?: (message: never) => unknown;
}

/** A status, with metadata perhaps. */
export type Outcome = Parameters<Inner['sendStatus']>[0];

const OK = { code: status.OK, details: 'OK' };
const CANCELLED: End = { code: status.CANCELLED };
const NOTHING = (): undefined => {};

export class Edge {
  readonly #routes = new Map<string, Route>();

  constructor(
    readonly stages: readonly Stage[],
    readonly toStatus: ErrorMapper,
    /** What a call is answered with before its request is received; undefined: it may come. */
    private readonly refusal: (method: Method, connection: object | undefined) => StatusObject | undefined = NOTHING,
  ) {}

  add(route: Route): void {
    this.#routes.set(route.path, route);
  }

  readonly intercept: ServerInterceptor = ({ path }, next) => {
    const route = this.#routes.get(path);
    if (!route) return new ServerInterceptingCall(next);
    const connection = connectionOf(next);
    if (connection) mend(connection);
    const refusal = this.refusal(route, connection);
    if (refusal) return new ServerInterceptingCall(next, { start: () => next.sendStatus(refusal) });
    return new Call(next, route, this, connection);
  };
}

/** One call on its way. */
export class Call extends ServerInterceptingCall {
  // First what each message of a fan-out looks at: it lies together in memory.
  #over = false;
  /** Of a watch. */
  messagesSent = 0;
  bytesSent = 0;
  /** Known after the stage that asks for it, if there is one. */
  identity: Identity = ANONYMOUS;
  metadata!: Metadata;
  /** Decoded. Before the stage `decoded` perhaps a ChordError: why it is none. Of `each` there is none at all. */
  request: unknown;
  /** Nobody waits for the answer any more. */
  cancelled = false;
  /** As `performance.now()` counts; set by the stage that measures. */
  startedAt = 0;
  /** What the handler runs within, where a stage wants that. */
  within: ((work: () => void) => void) | undefined;
  /** Of distributed tracing. */
  traceId: string | undefined;
  /** Of a stream: hears of its end, whoever ended it. */
  onEnd: () => void = NOTHING;
  /** Of a stream that says a word before it is ended. */
  onClose: ((error: ChordError) => void) | undefined;
  /** What it holds of quotas, where there are any. */
  usage: Usage | undefined;
  #entered = 0;
  #admitted = false;

  constructor(
    private readonly next: Inner,
    private readonly route: Route,
    private readonly edge: Edge,
    /** The same object for all calls of a connection; undefined where it is not known. */
    readonly connection: object | undefined,
  ) {
    super(next);
  }

  get method(): Method {
    return this.route;
  }

  /** Whether it has passed all stages. */
  get admitted(): boolean {
    return this.#admitted;
  }

  /** Ours are the ears in place of the listener that grpc-js offers. */
  override start(): void {
    this.next.start(this);
  }

  onReceiveMetadata(metadata: Metadata): void {
    this.metadata = metadata;
    if (this.route.each) this.#pass();
    else this.next.startRead();
  }

  onReceiveMessage(message: unknown): void {
    const { each } = this.route;
    if (each) {
      try {
        this.write(each(message as never), () => this.next.startRead());
      } catch (error) {
        this.fail(error);
      }
      return;
    }
    if (this.request !== undefined) {
      this.#refuse('more than one request message');
      return;
    }
    this.request = message;
    this.next.startRead();
  }

  onReceiveHalfClose(): void {
    if (this.route.each) this.finish();
    else if (this.request === undefined) this.#refuse('no request message');
    else this.#pass();
  }

  /** Also called after a regular end. */
  onCancel(): void {
    this.cancelled = true;
    // The work of a unary call goes on, and counts until it is done.
    if (!this.route.unary) this.#end(CANCELLED);
  }

  /** One more message of a stream, as it is in the .proto. `onLeft` hears when it has left the process. */
  write(message: unknown, onLeft: () => void = NOTHING): void {
    if (!this.#over) this.next.sendMessage(message, onLeft);
  }

  /** The same for what is encoded: where it is the same Buffer for many calls, it costs each of them less. */
  writeEncoded(bytes: Buffer, onLeft: () => void): void {
    if (!this.#over && !writeShared(this.next, bytes, onLeft)) this.next.sendMessage(bytes, onLeft);
  }

  /** Ends a stream. */
  finish(how: Outcome = OK): void {
    if (this.#over) return;
    this.#end(how);
    this.next.sendStatus(how);
  }

  /** Answers with an error, or ends a stream with it. */
  fail(error: unknown): void {
    if (!this.#over) this.finish(this.edge.toStatus(error));
  }

  /** Ends it from outside. */
  close(error: ChordError): void {
    if (this.onClose) this.onClose(error);
    else this.fail(error);
  }

  /** Through the stages to the handler. */
  #pass(): void {
    try {
      const later = this.#enter();
      // A promise that nobody waits for would end the process when it is rejected: every way out is caught.
      if (later instanceof Promise) later.then(() => this.#run()).catch((error) => this.fail(error));
      else this.#run();
    } catch (error) {
      this.fail(error);
    }
  }

  #run(): void {
    if (this.within) this.within(() => this.#handle());
    else this.#handle();
  }

  #handle(): void {
    if (this.cancelled) this.#end(CANCELLED);
    // Whoever ended it on its way through the stages, nobody would tell a handler so.
    if (this.#over) return;
    this.#admitted = true;
    const { unary, stream } = this.route;
    if (!unary) {
      if (stream) stream(this);
      else this.next.startRead();
      return;
    }
    const answer = unary(this.request as never, this);
    if (answer instanceof Promise) {
      answer.then(
        (value) => this.#succeed(value),
        (error) => this.fail(error),
      );
    } else this.#succeed(answer);
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
    const { stages } = this.edge;
    while (this.#entered < stages.length) {
      const later = stages[this.#entered]!.enter(this);
      if (later) {
        return later.then(() => {
          this.#entered++;
          // It was cancelled meanwhile: the stages behind would let in what never leaves.
          return this.#over ? this.#leave(CANCELLED) : this.#enter();
        });
      }
      this.#entered++;
    }
  }

  #leave(how: End): void {
    while (this.#entered > 0) {
      try {
        this.edge.stages[--this.#entered]!.leave?.(this, how);
      } catch (error) {
        // Nobody is above to catch it, and what one stage gets wrong must not end the process.
        this.edge.toStatus(error);
      }
    }
  }

  #end(how: End): void {
    if (this.#over) return;
    this.#over = true;
    this.#leave(how);
    this.onEnd();
  }

  #refuse(what: string): void {
    this.next.sendStatus({ code: status.UNIMPLEMENTED, details: `${this.route.name}: ${what}` });
  }
}

/** gRPC wants a handler for each method. */
export function answeredAtTheEdge(service: ServiceDefinition): UntypedServiceImplementation {
  const never = (): never => {
    throw new Error('the edge has let a call through');
  };
  return Object.fromEntries(Object.keys(service).map((name) => [name, never]));
}

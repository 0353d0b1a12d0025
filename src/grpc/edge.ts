/**
 * What every call of Chord's services passes between the wire and its handler, in one place: the stages, in their
 * order, then the handler; and back, the stages that let it in, in the opposite order.
 *
 * A stage is whatever looks at all calls alike: who calls and whether they may, how much they may, what is noted of
 * it. It sees the decoded request, and may refuse. The handlers know nothing of stages.
 */
import {
  type handleUnaryCall,
  type ServerUnaryCall,
  type ServerWritableStream,
  type StatusObject,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ANONYMOUS, type Identity } from '../access/identity.js';
import { ChordError } from '../errors.js';

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

type Rpc = ServerUnaryCall<unknown, unknown> | ServerWritableStream<unknown, unknown>;

/** One call on its way. */
export class Call {
  #entered = 0;
  /** What became of it, once that is known. */
  #end: End | undefined;
  /** Known after the stage that asks for it, if there is one. */
  identity: Identity = ANONYMOUS;
  /** Of a stream: ends it with this error, after a word to the client where there is one. */
  close: ((error: ChordError) => void) | undefined;
  /** When it came, as `performance.now` tells it. */
  startedAt = 0;
  /** Every stage has let it on. */
  admitted = false;

  constructor(
    readonly method: Method,
    /** Metadata, peer, deadline, and the request. */
    readonly rpc: Rpc,
    private readonly stages: readonly Stage[],
  ) {}

  /** Before the stage `decoded` perhaps a ChordError: why it is none. */
  get request(): unknown {
    return this.rpc.request;
  }

  enter(): void | Promise<void> {
    while (this.#entered < this.stages.length) {
      const later = this.stages[this.#entered]!.enter(this);
      if (later) {
        return later.then(() => {
          this.#entered++;
          // It was cancelled meanwhile: the stages behind would let in what never leaves.
          return this.#end ? this.leave(this.#end) : this.enter();
        });
      }
      this.#entered++;
    }
    this.admitted = true;
  }

  leave(end: End): void {
    this.#end = end;
    while (this.#entered > 0) this.stages[--this.#entered]!.leave?.(this, end);
  }
}

/** The stage after which a request is known to be one: what could not be decoded is refused here. */
export const decoded: Stage = {
  enter({ request }) {
    if (request instanceof ChordError) throw request;
  },
};

export class Edge {
  constructor(
    private readonly stages: readonly Stage[],
    readonly toStatus: ErrorMapper,
  ) {}

  /** A promise that gRPC does not wait for would end the process when it is rejected: every way out is caught here. */
  unary(method: Method, handler: (request: never, call: Call) => unknown): handleUnaryCall<unknown, unknown> {
    return (rpc, callback) => {
      const call = new Call(method, rpc, this.stages);
      const fail = (error: unknown): void => {
        const failure = this.toStatus(error);
        call.leave(failure);
        callback(failure);
      };
      const succeed = (answer: unknown): void => {
        call.leave({ code: status.OK, answer });
        callback(null, answer);
      };
      const handle = (): void => {
        const answer = handler(rpc.request as never, call);
        if (answer instanceof Promise) answer.then(succeed, fail);
        else succeed(answer);
      };
      pass(call, handle, fail);
    };
  }

  stream(method: Method, serve: (rpc: never, call: Call) => void): UntypedServiceImplementation[string] {
    return (rpc: ServerWritableStream<unknown, unknown>) => {
      const call = new Call(method, rpc, this.stages);
      // Whichever way a stream ends, one of these says so.
      rpc.on('error', (failure: Partial<StatusObject>) => call.leave({ code: status.UNKNOWN, ...failure }));
      rpc.on('cancelled', () => call.leave({ code: status.CANCELLED }));
      rpc.on('close', () => call.leave({ code: status.OK }));
      const fail = (error: unknown): void => void rpc.emit('error', this.toStatus(error));
      const handle = (): void => {
        if (!rpc.cancelled) serve(rpc as never, call);
      };
      pass(call, handle, fail);
    };
  }
}

function pass(call: Call, handle: () => void, fail: (error: unknown) => void): void {
  try {
    const later = call.enter();
    if (later instanceof Promise) later.then(handle).catch(fail);
    else handle();
  } catch (error) {
    fail(error);
  }
}

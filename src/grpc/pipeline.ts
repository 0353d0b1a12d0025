/**
 * What every call of Chord's services passes between the wire and its handler, in one place: the stages, in their
 * order, then the handler; and back, the stages that let it in, in the opposite order.
 *
 * A stage is whatever looks at all calls alike: who calls and whether they may, how much they may, what is noted of
 * it, and may refuse. The stages before `decoded` are asked when the metadata is there, and only a call that they let
 * on has its request received; the others see the decoded request. The handlers know nothing of stages.
 *
 * The edge is an interceptor of grpc-js that answers the calls itself. What grpc-js would put between (a stream
 * object for each call, and for each answer a wait until it has left before the status follows) costs a small call
 * a tenth of its time, and a fan-out more.
 */
import {
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServiceDefinition,
  type StatusObject,
  type status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { ChordError } from '../model/errors.js';
import { Call } from './call.js';
import type { UnfinishedCalls } from './incomplete-requests.js';
import { connectionOf, type Inner, patchSession } from './node-http2.js';

export { Call } from './call.js';

export type ErrorMapper = (error: unknown) => StatusObject;

export interface Method {
  /** `chord.v1.ContextService` */
  readonly service: string;
  /** `UpdateContext` */
  readonly name: string;
  /** Its answer is a stream. */
  readonly streams: boolean;
}

export interface Middleware {
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

/** The stage between those that need the metadata alone and those that need the request: what is none is refused here. */
export const decoded: Middleware = {
  enter({ request }) {
    if (request instanceof ChordError) throw request;
  },
};

/** A method with what answers it. */
export interface Route extends Method {
  readonly path: string;
  /** Bytes to a request, or to the ChordError that says why it is none. */
  readonly decode?: (bytes: Buffer) => unknown;
  readonly encode: (answer: unknown) => Uint8Array;
  /** Of each request message, unpacked. */
  readonly maxBytes?: number;
  /** In place of those of the edge. */
  readonly stages?: readonly Middleware[];
  /** Of a unary method: answers, or promises to. */
  readonly unary?: (request: never, call: Call) => unknown;
  /** Of a stream: writes to the call and finishes it. */
  readonly stream?: (call: Call) => void;
  /** Of streams in both directions: answers each message. The stages see no request. */
  readonly each?: (message: never) => unknown;
}

/** A status, with metadata perhaps. */
export type CallStatus = Parameters<Inner['sendStatus']>[0];

export class CallPipeline {
  readonly #routes = new Map<string, Route>();

  constructor(
    readonly stages: readonly Middleware[],
    readonly toStatus: ErrorMapper,
    readonly unfinished?: UnfinishedCalls,
  ) {}

  add(route: Route): void {
    this.#routes.set(route.path, route);
  }

  readonly intercept: ServerInterceptor = ({ path }, next) => {
    const route = this.#routes.get(path);
    if (!route) return new ServerInterceptingCall(next);
    const connection = connectionOf(next);
    if (connection) patchSession(connection);
    return new Call(next, route, this, connection);
  };
}

/** gRPC wants a handler for each method. */
export function answeredByThePipeline(service: ServiceDefinition): UntypedServiceImplementation {
  const never = (): never => {
    throw new Error('the edge has let a call through');
  };
  return Object.fromEntries(Object.keys(service).map((name) => [name, never]));
}

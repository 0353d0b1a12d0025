/**
 * The call pipeline: what every call of Chord's services passes between the wire and its handler. A call enters the
 * middleware in order, then its handler runs; when the call ends, the middleware that it has entered leaves in the opposite
 * order. So the first middleware is the outermost: it sees every call, and sees how each one ended.
 *
 * Middleware before `decoded` needs only the metadata of a call. It runs before the request is received: a caller that is
 * refused there costs neither memory nor decoding. Middleware behind `decoded` sees the decoded request.
 *
 * The pipeline is an interceptor of grpc-js that answers the calls itself. The layers that grpc-js would put between (a
 * stream object for each call, and a wait between each answer and its status) cost a small call a tenth of its time, and a
 * fan-out more.
 */
import {
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { Call, type ErrorMapper, type Middleware, type Route } from './call.js';
import type { UnfinishedCalls } from './incomplete-requests.js';
import { connectionOf, type Inner, patchSession } from './node-http2.js';

export class CallPipeline {
  readonly #routes = new Map<string, Route>();

  constructor(
    readonly middleware: readonly Middleware[],
    readonly toStatus: ErrorMapper,
    readonly onDefect: (error: unknown) => void,
    readonly unfinished?: UnfinishedCalls,
  ) {}

  add(route: Route): void {
    this.#routes.set(route.path, route);
  }

  /** Throws for an unknown path. */
  route(path: string): Route {
    const route = this.#routes.get(path);
    if (!route) throw new Error(`no such method: ${path}`);
    return route;
  }

  /**
   * A call that another port than that of grpc-js received; the caller starts it. Throws for an unknown path.
   * @param connection the same object for all calls of a connection
   */
  call(path: string, inner: Inner, connection: object): Call {
    return new Call(inner, this.route(path), this, connection);
  }

  readonly intercept: ServerInterceptor = ({ path }, next) => {
    const route = this.#routes.get(path);
    if (!route) return new ServerInterceptingCall(next);
    const connection = connectionOf(next);
    if (connection) patchSession(connection);
    return new Call(next, route, this, connection);
  };
}

/** grpc-js wants a handler for each method, although the interceptor answers. */
export function answeredByThePipeline(service: ServiceDefinition): UntypedServiceImplementation {
  const never = (): never => {
    throw new Error('the call pipeline has let a call through');
  };
  return Object.fromEntries(Object.keys(service).map((name) => [name, never]));
}

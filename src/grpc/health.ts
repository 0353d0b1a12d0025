/** Standard health checking: the whole server under the empty name, and each service under its own. */
import { type Server, type ServerWritableStream, status, type UntypedHandleCall } from '@grpc/grpc-js';
import { HealthImplementation } from 'grpc-health-check';

type Watch = ServerWritableStream<unknown, unknown>;

export class Health {
  readonly #names: readonly string[];
  readonly #told: HealthImplementation;
  readonly #watches = new Set<Watch>();

  /** Not serving, at first. */
  constructor(services: readonly string[]) {
    this.#names = ['', ...services];
    this.#told = new HealthImplementation(Object.fromEntries(this.#names.map((name) => [name, 'NOT_SERVING'])));
  }

  addTo(server: Server): void {
    const addService: Server['addService'] = (definition, calls) => {
      const watch = (call: Watch): void => {
        this.#watches.add(call);
        call.on('close', () => this.#watches.delete(call));
        (calls.watch as (call: Watch) => void)(call);
      };
      server.addService(definition, { ...calls, watch: watch as UntypedHandleCall });
    };
    this.#told.addToServer({ addService } as Server);
  }

  set(serving: boolean): void {
    for (const name of this.#names) this.#told.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  }

  /** Ends the streams that watch it: left open, they would hold up the server's end. */
  end(reason: string): void {
    for (const call of this.#watches) call.emit('error', { code: status.UNAVAILABLE, details: reason });
  }
}

/**
 * Standard health checking: the whole server under the empty name, and each service under its own name. The service is
 * open to all callers, so it keeps nothing of a request: of an unknown name only that it is unknown.
 */
import { type BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { type ServiceDefinition, status } from '@grpc/grpc-js';
import { ChordError } from '../../model/errors.js';
import type { Call, Middleware, Route } from '../call.js';
import { decodeRequest } from '../codec/request-decoding.js';

export const HEALTH = 'grpc.health.v1.Health';

const [SERVING, NOT_SERVING, SERVICE_UNKNOWN] = [1, 2, 3];
const REQUEST_BYTES_MAX = 1024;
/** Limit of open health watches. */
const WATCHES_MAX = 2000;
const WATCHES_PER_CONNECTION_MAX = 10;
const RETRY_AFTER = 1000;

interface HealthRequest {
  readonly service: string;
}

export interface HealthOptions {
  readonly services: readonly string[];
  /** The middleware of health calls, in place of that of other calls. */
  readonly middleware: readonly Middleware[];
  /** Called at a connection's first health watch, and at the end of its last one. */
  readonly watches: (connection: object, yes: boolean) => void;
}

export class Health {
  readonly #names: ReadonlySet<string>;
  /** Open watches, each with whether its service name is known. */
  readonly #watches = new Map<Call, boolean>();
  readonly #perConnection = new Map<object, number>();
  #serving = false;

  /** The health is NOT_SERVING at first. */
  constructor(private readonly options: HealthOptions) {
    this.#names = new Set(['', ...options.services]);
  }

  get routes(): readonly Route[] {
    const { middleware } = this.options;
    const of = (name: string) => {
      const maxBytes = REQUEST_BYTES_MAX;
      return {
        path: `/${HEALTH}/${name}`,
        service: HEALTH,
        name,
        middleware,
        decode: readRequest,
        encode: same,
        maxBytes,
      };
    };
    return [
      { ...of('Check'), streams: false, unary: ({ service }: HealthRequest) => this.#check(service) },
      { ...of('List'), streams: false, unary: () => this.#list() },
      { ...of('Watch'), streams: true, stream: (call) => this.#watch(call) },
    ];
  }

  set(serving: boolean): void {
    if (serving === this.#serving) return;
    this.#serving = serving;
    for (const [call, known] of this.#watches) if (known) call.write(this.#answer(known));
  }

  /** Ends the health watches: open streams would delay the server's stop. */
  end(reason: string): void {
    for (const call of this.#watches.keys()) call.finish({ code: status.UNAVAILABLE, details: reason });
  }

  #check(service: string): Buffer {
    if (!this.#names.has(service)) throw new ChordError('NOT_FOUND', 'this server has no service of this name');
    return this.#answer(true);
  }

  #list(): Buffer {
    const writer = new BinaryWriter();
    for (const name of this.#names) {
      writer
        .uint32((1 << 3) | 2)
        .fork()
        .uint32((1 << 3) | 2)
        .string(name)
        .uint32((2 << 3) | 2)
        .bytes(this.#answer(true))
        .join();
    }
    return Buffer.from(writer.finish());
  }

  #watch(call: Call): void {
    const { connection = this } = call;
    const before = this.#perConnection.get(connection) ?? 0;
    if (this.#watches.size >= WATCHES_MAX || before >= WATCHES_PER_CONNECTION_MAX) {
      throw new ChordError('RESOURCE_EXHAUSTED', 'too many health watches', { retryAfter: RETRY_AFTER });
    }
    const known = this.#names.has((call.request as HealthRequest).service);
    call.request = undefined;
    this.#watches.set(call, known);
    this.#perConnection.set(connection, before + 1);
    if (before === 0) this.options.watches(connection, true);
    call.onEnd = () => {
      this.#watches.delete(call);
      const left = this.#perConnection.get(connection)! - 1;
      if (left > 0) return void this.#perConnection.set(connection, left);
      this.#perConnection.delete(connection);
      this.options.watches(connection, false);
    };
    call.write(this.#answer(known));
  }

  #answer(known: boolean): Buffer {
    const status = known ? (this.#serving ? SERVING : NOT_SERVING) : SERVICE_UNKNOWN;
    return Buffer.from([1 << 3, status!]);
  }
}

/** The methods in the form that grpc-js needs and the call pipeline answers. */
export function healthDefinition(): ServiceDefinition {
  return { check: method('Check', false), list: method('List', false), watch: method('Watch', true) };
}

const readRequest = decodeRequest((input): HealthRequest => {
  const reader = input as unknown as BinaryReader;
  let service = '';
  while (reader.pos < reader.len) {
    const [field, wireType] = reader.tag();
    if (field === 1 && wireType === 2) service = reader.string();
    else reader.skip(wireType);
  }
  return { service };
});

function same(bytes: unknown): Buffer {
  return bytes as Buffer;
}

function method(name: string, responseStream: boolean): ServiceDefinition[string] {
  const path = `/${HEALTH}/${name}`;
  const bytes = {
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
  return { path, requestStream: false, responseStream, ...bytes };
}

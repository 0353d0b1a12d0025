/** Servers in this process, and clients of any server, over real sockets with grpc-js. */
import {
  type ChannelCredentials,
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js';
import type { ExecutionContext } from 'ava';
import { changesFromProto } from '../../src/codec/changes.js';
import { apply } from '../../src/delta/index.js';
import { ContextServiceService } from '../../src/gen/chord/v1/context_service.js';
import { PositionMismatch } from '../../src/gen/chord/v1/errors.js';
import { type Delta, FullReason, type Position } from '../../src/gen/chord/v1/model.js';
import { DeletedReason, SyncServiceService, type WatchContextsResponse } from '../../src/gen/chord/v1/sync_service.js';
import { type TransferProgress, TransferServiceService } from '../../src/gen/chord/v1/transfer_service.js';
import { BadRequest, ErrorInfo, RetryInfo } from '../../src/gen/google/rpc/error_details.js';
import { Status } from '../../src/gen/google/rpc/status.js';
import type { JsonObject } from '../../src/model/model.js';
import { type Chord, type ChordOptions, startChord } from '../../src/server/app.js';

/** A server on a free port, closed after the test. In memory unless told otherwise. */
export async function serve(t: ExecutionContext, options: ChordOptions = {}): Promise<Chord> {
  const chord = await startChord({
    listen: '127.0.0.1:0',
    backend: 'memory',
    logLevel: 'error',
    shutdownGrace: 1000,
    // Tests share their event loop with the server, and their machine with other tests.
    maxEventLoopDelay: 0,
    requestTimeout: 0,
    // What is written stays, to be looked at.
    cleanupInterval: 0,
    workers: Number(process.env.CHORD_TEST_WORKERS ?? 0),
    ...options,
  });
  t.teardown(() => chord.close());
  return chord;
}

/** A method of a service, as the generated definitions describe it. */
export interface Method<Q, A> {
  readonly path: string;
  readonly requestSerialize: (request: Q) => Buffer;
  readonly requestDeserialize: (bytes: Buffer) => Q;
  readonly responseDeserialize: (bytes: Buffer) => A;
}

/** A connection of its own. Requests may leave fields out. */
export class Peer {
  readonly client: Client;
  /** Sent with every call. */
  readonly metadata = new Metadata();
  readonly set = this.#unary(ContextServiceService.setContext);
  readonly update = this.#unary(ContextServiceService.updateContext);
  readonly get = this.#unary(ContextServiceService.getContext);
  readonly revert = this.#unary(ContextServiceService.revertContext);
  readonly delete = this.#unary(ContextServiceService.deleteContext);
  readonly touch = this.#unary(ContextServiceService.touchContext);
  readonly batch = this.#unary(ContextServiceService.batchWrite);
  readonly list = this.#unary(ContextServiceService.listContexts);
  readonly sync = this.#unary(SyncServiceService.syncContext);
  readonly deltas = this.#unary(SyncServiceService.listDeltas);
  readonly wait = this.#unary(SyncServiceService.waitContext);
  readonly blame = this.#unary(SyncServiceService.blameContext);

  readonly export = this.#unary(TransferServiceService.exportContext);
  readonly restore = this.#unary(TransferServiceService.restoreContext);

  constructor(address: string, channel: ChannelCredentials = credentials.createInsecure()) {
    this.client = new Client(address, channel, {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.max_receive_message_length': -1,
      'grpc.max_send_message_length': -1,
    });
  }

  /** From now on every call carries this token, or none. */
  show(token: string | undefined): this {
    if (token === undefined) this.metadata.remove('authorization');
    else this.metadata.set('authorization', `Bearer ${token}`);
    return this;
  }

  /** Any method, with a request that is bytes already. */
  raw<A>(method: Pick<Method<never, A>, 'path' | 'responseDeserialize'>, bytes: Uint8Array): Promise<A> {
    return this.#call(method.path, Buffer.from(bytes), method.responseDeserialize);
  }

  watch(request: Partial<Parameters<typeof SyncServiceService.watchContexts.requestSerialize>[0]>): Watch {
    const method = SyncServiceService.watchContexts;
    return this.client.makeServerStreamRequest(
      method.path,
      (bytes: Buffer) => bytes,
      method.responseDeserialize,
      bytesOf(method, request),
      this.metadata,
      {},
    );
  }

  /** All messages of an export or restore of a whole prefix. Rejects as the stream ends. */
  async transfer<Q, A extends { progress?: TransferProgress | undefined }>(
    method: Method<Q, A>,
    request: Partial<Q>,
  ): Promise<TransferProgress[]> {
    const decode = method.responseDeserialize;
    const bytes = bytesOf(method, request);
    const same = (each: Buffer) => each;
    const messages: TransferProgress[] = [];
    const stream = this.client.makeServerStreamRequest(method.path, same, decode, bytes, this.metadata, {});
    for await (const { progress } of stream) messages.push(progress);
    return messages;
  }

  /** The document, as it is now. */
  async document(contextId: string): Promise<JsonObject> {
    return (await this.get({ contextId })).context!.value as JsonObject;
  }

  /** The whole retained history after a version, oldest first. */
  async history(contextId: string, fromVersion = 0): Promise<{ deltas: Delta[]; truncated: boolean }> {
    const first = await this.deltas({ contextId, fromVersion });
    const deltas = first.deltas;
    for (let pageToken = first.nextPageToken; pageToken !== ''; ) {
      const page = await this.deltas({ contextId, fromVersion, pageToken });
      deltas.push(...page.deltas);
      pageToken = page.nextPageToken;
    }
    return { deltas, truncated: first.truncated };
  }

  #unary<Q, A>(method: Method<Q, A>): (request: Partial<Q>) => Promise<A> {
    return (request) => this.#call(method.path, bytesOf(method, request), method.responseDeserialize);
  }

  #call<A>(path: string, bytes: Buffer, decode: (bytes: Buffer) => A): Promise<A> {
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        path,
        (same: Buffer) => same,
        decode,
        bytes,
        this.metadata,
        { deadline: Date.now() + 60_000 },
        (error, answer) => (error ? reject(error) : resolve(answer!)),
      );
    });
  }
}

export type Watch = ClientReadableStream<WatchContextsResponse>;

/** A connection that is closed after the test. */
export function connect(t: ExecutionContext, address: string, channel?: ChannelCredentials): Peer {
  const peer = new Peer(address, channel);
  t.teardown(() => peer.client.close());
  return peer;
}

/** A request with its fields that are absent as they are where nothing was sent. */
export function bytesOf<Q>(method: Method<Q, unknown>, request: Partial<Q>): Buffer {
  return method.requestSerialize({ ...method.requestDeserialize(Buffer.alloc(0)), ...request });
}

export interface Refusal {
  readonly code: number;
  readonly message: string;
  /** Of ErrorInfo. */
  readonly reason: string | undefined;
  /** Of ErrorInfo. */
  readonly info: { readonly [key: string]: string };
  /** Of RetryInfo, in milliseconds. */
  readonly retryAfter: number | undefined;
  /** Of BadRequest. */
  readonly fields: string[];
  /** Of PositionMismatch; undefined: there is none, or the context does not exist. */
  readonly current: Position | undefined;
}

/** Waits for a call to fail, and takes its rich details apart. */
export async function refused(call: Promise<unknown>): Promise<Refusal> {
  const error = await call.then(
    () => {
      throw new Error('it was not refused');
    },
    (failure: ServiceError) => failure,
  );
  if (error.code === undefined) throw error;
  return refusal(error);
}

export function refusal(error: ServiceError): Refusal {
  const [bytes] = error.metadata.get('grpc-status-details-bin');
  const details = bytes ? Status.decode(bytes as Buffer).details : [];
  const find = <T>(name: string, type: { decode(bytes: Uint8Array): T }): T | undefined => {
    const any = details.find(({ typeUrl }) => typeUrl === `type.googleapis.com/${name}`);
    return any && type.decode(any.value);
  };
  const info = find('google.rpc.ErrorInfo', ErrorInfo);
  const delay = find('google.rpc.RetryInfo', RetryInfo)?.retryDelay;
  return {
    code: error.code,
    message: error.details,
    reason: info?.reason,
    info: Object.fromEntries(info?.metadata ?? []),
    retryAfter: delay && delay.seconds * 1000 + delay.nanos / 1e6,
    fields: find('google.rpc.BadRequest', BadRequest)?.fieldViolations.map(({ field }) => field) ?? [],
    current: find('chord.v1.PositionMismatch', PositionMismatch)?.current,
  };
}

export function samePosition(a: Position | undefined, b: Position | undefined): boolean {
  return a?.epoch === b?.epoch && a?.version === b?.version && a?.digest === b?.digest;
}

export interface Copy {
  readonly value: JsonObject;
  readonly position: Position;
}

/** The document that a delta leads to. Throws where it does not begin at the copy. */
export function follow(copy: Copy, delta: Delta): Copy {
  if (!samePosition(copy.position, delta.from)) {
    throw new Error(`a delta from ${JSON.stringify(delta.from)} for a copy at ${JSON.stringify(copy.position)}`);
  }
  return { value: apply(changesFromProto(delta.changes), copy.value), position: delta.to! };
}

/** The document that a history from its beginning leads to. */
export function fold(deltas: readonly Delta[]): Copy {
  return deltas.reduce(follow, { value: {}, position: deltas[0]!.from! });
}

type Target = { readonly id: string } | { readonly prefix: string };

/** A watching client that keeps copies, and believes nothing: a delta that does not fit fails whoever waits. */
export class Reader {
  readonly copies = new Map<string, Copy>();
  /** What came, in one word each: `full INITIAL a`, `delta a 3-5`, `deleted EXPIRED a`, `absent a`, `caughtUp`. */
  readonly log: string[] = [];
  /** Called whenever the copies may be shown: after each event that no other one belongs to. */
  onSettled: () => void = () => {};
  readonly call: Watch;
  #error: Error | undefined;
  #ended = false;
  #waiters = new Set<() => void>();

  constructor(
    peer: Peer,
    target: Target,
    known: ReadonlyMap<string, Position> = new Map(),
    request: Parameters<Peer['watch']>[0] = {},
  ) {
    const subscription = {
      target:
        'id' in target
          ? { $case: 'contextId' as const, value: target.id }
          : { $case: 'prefix' as const, value: target.prefix },
      known: new Map(known),
      paths: [],
    };
    this.call = peer.watch({ subscriptions: [subscription], ...request });
    this.call.on('data', (message: WatchContextsResponse) => {
      this.#take(message.event!);
      if (!message.more) this.onSettled();
    });
    this.call.on('error', (error) => {
      this.#error ??= error;
      this.#wake();
    });
    this.call.on('end', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  /** Goes on from copies that another reader had. */
  static resume(
    peer: Peer,
    target: Target,
    copies: ReadonlyMap<string, Copy>,
    request?: Parameters<Peer['watch']>[0],
  ): Reader {
    const known = new Map([...copies].map(([id, { position }]) => [id, position]));
    const reader = new Reader(peer, target, known, request);
    for (const [id, copy] of copies) reader.copies.set(id, copy);
    return reader;
  }

  /** Resolves when it holds. Rejects when the stream ends before. */
  async until(holds: () => boolean): Promise<void> {
    while (!holds()) {
      if (this.#error) throw this.#error;
      if (this.#ended) throw new Error('the stream ended');
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }

  caughtUp(): Promise<void> {
    return this.until(() => this.log.includes('caughtUp'));
  }

  /** Resolves when the copy of this context stands exactly here. */
  at(id: string, position: Position | undefined): Promise<void> {
    return this.until(() => samePosition(this.copies.get(id)?.position, position));
  }

  /** Resolves with the status that the stream ends with. */
  async end(): Promise<ServiceError> {
    while (!this.#error) {
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
    return this.#error as ServiceError;
  }

  cancel(): void {
    this.call.cancel();
  }

  #take(event: NonNullable<WatchContextsResponse['event']>): void {
    try {
      this.log.push(this.#apply(event));
    } catch (error) {
      this.#error ??= error as Error;
    }
    this.#wake();
  }

  #apply(event: NonNullable<WatchContextsResponse['event']>): string {
    switch (event.$case) {
      case 'full': {
        const { contextId, value, position } = event.value.context!;
        this.copies.set(contextId, { value: value as JsonObject, position: position! });
        return `full ${reasonOf(event.value.reason)} ${contextId}`;
      }
      case 'delta': {
        const { contextId, from, to } = event.value;
        const copy = this.copies.get(contextId);
        if (!copy) throw new Error(`a delta for ${contextId}, of which nothing is known`);
        this.copies.set(contextId, follow(copy, event.value));
        return `delta ${contextId} ${from!.version}-${to!.version}`;
      }
      case 'deleted':
        this.copies.delete(event.value.contextId);
        return `deleted ${DeletedReason[event.value.reason]} ${event.value.contextId}`;
      case 'absent':
        this.copies.delete(event.value.contextId);
        return `absent ${event.value.contextId}`;
      default:
        return event.$case;
    }
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = new Set();
    for (const wake of waiters) wake();
  }
}

export function reasonOf(reason: FullReason): string {
  return FullReason[reason] ?? `${reason}`;
}

/** Opens a watch whose end is no surprise: it is cancelled after the test. */
export function watch(t: ExecutionContext, peer: Peer, target: Target, known?: ReadonlyMap<string, Position>): Reader {
  const reader = new Reader(peer, target, known);
  t.teardown(() => reader.cancel());
  return reader;
}

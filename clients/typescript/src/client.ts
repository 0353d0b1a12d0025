/** The calls. Reads and writes are tried again where that is safe; writes name themselves so that it is. */
import { type BlamePage, fromLine } from './blame.js';
import { type Check, toChecks } from './conditions.js';
import { type Editor, edit } from './edit.js';
import { closed } from './errors.js';
import { checkChecks, checkDocument, checkPathList, checkText } from './fault.js';
import { Gate } from './gate.js';
import { check, type HealthStatus } from './health.js';
import type { Json, JsonObject, Sendable } from './json.js';
import {
  type Context,
  type Delta,
  fromContext,
  fromDelta,
  fromPosition,
  fromTimestamp,
  type Path,
  type Position,
  type ReplicaDocument,
  toPath,
  toTimestamp,
} from './model.js';
import type {
  CallOptions,
  CommonOptions,
  DeleteOptions,
  Edit,
  EditOptions,
  Logger,
  MemberExpiry,
  SyncResult,
  TouchOptions,
  UpdateOptions,
  WaitContextOptions,
  WaitResult,
  WriteOptions,
  WriteResult,
} from './options.js';
import { Presence, type PresenceOptions } from './presence.js';
import { fromSync, type GetOptions, type PageOptions, type ReadOptions, toReading } from './reads.js';
import { inTurn, RETRY_DEFAULT, type RetryPolicy, retrying } from './retry.js';
import { contexts, sync } from './services.js';
import { sleepMax } from './timers.js';
import { nameOf, type Target } from './tracker.js';
import { completed, type Definition, encode, type Method, type Platform, type Transport } from './transport.js';
import { until } from './until.js';
import { randomUUID } from './uuid.js';
import { patiently } from './waiting.js';
import { logged, Watch, type WatchOptions } from './watch.js';
import {
  type BatchedWrite,
  type BatchOptions,
  type BatchResult,
  checkBatched,
  checkEdit,
  fromBatched,
  fromFull,
  fromWrite,
  toBatched,
  toDelete,
  toRevert,
  toSet,
  toTouch,
  toUpdate,
} from './writes.js';

/** Of requests: what is refused where it is not valid Unicode, which the protocol would carry as another text. */
interface Texts {
  readonly contextId?: string;
  readonly prefix?: string;
  readonly requestId?: string;
  readonly service?: string;
}

/** All calls throw ChordError. */
export class BaseClient {
  readonly #transport: Transport;
  readonly #logger: Logger | undefined;
  /** Says what has no listener. */
  readonly warn: (warning: Error) => void;
  readonly #deadline: number;
  readonly #policy: RetryPolicy;
  readonly #open = new Set<Watch>();
  readonly #presences = new Set<Presence>();
  readonly #gate: Gate;
  readonly #closing: AbortController;

  constructor(
    readonly address: string,
    options: CommonOptions,
    { transport, closing, warn }: Platform,
  ) {
    this.#transport = transport;
    this.#closing = closing;
    this.#logger = options.logger;
    this.warn = this.#logger ? (error) => this.#logger?.warn(error.message, error) : warn;
    this.#gate = new Gate(options.callsInFlight ?? 100);
    this.#deadline = options.deadline ?? 10_000;
    this.#policy = { ...RETRY_DEFAULT, ...options.retry };
  }

  /** Creates a context, or replaces its document. Members that are undefined are left out. */
  async set<T extends object>(contextId: string, value: Sendable<T>, options: WriteOptions = {}): Promise<WriteResult> {
    const document = value as JsonObject;
    const request = toSet(contextId, document, options);
    return fromWrite(await this.#call(contexts.setContext, request, options, () => checkDocument('value', document)));
  }

  /** Changes parts of a document. */
  async update(contextId: string, change: Edit, options: UpdateOptions = {}): Promise<WriteResult> {
    const request = toUpdate(contextId, change, options);
    return fromWrite(await this.#call(contexts.updateContext, request, options, () => checkEdit(change)));
  }

  /**
   * Writes the document of an earlier version: a new version, which undoes all changes since. NOT_FOUND above the present
   * version, FAILED_PRECONDITION where the history of that version is no longer retained.
   */
  async revert(contextId: string, version: number, options: WriteOptions = {}): Promise<WriteResult> {
    return fromWrite(await this.#call(contexts.revertContext, toRevert(contextId, version, options), options));
  }

  /**
   * Several writes as one, 1 to 100, each of another context: all happen or none does, and watches deliver them together. Where
   * one is refused, so is the batch; the violations of the error name it: `writes[2]`. Answers in the order of the writes.
   *
   * On Redis all contexts must lie in one partition: ids with the same part in braces do, as `{room:1}:members` and
   * `{room:1}:topic`.
   */
  async batch(writes: readonly BatchedWrite[], options: BatchOptions = {}): Promise<BatchResult[]> {
    const request = { writes: writes.map(toBatched), requestId: options.requestId || randomUUID() };
    const { results } = await this.#call(contexts.batchWrite, request, options, () => writes.forEach(checkBatched));
    return results.map(fromBatched);
  }

  /**
   * Changes a document by a function of it, which changes its copy or answers another document, and may be async. The write
   * is guarded by the paths that the function changed, and those of `reads`; where another write has touched them, the function
   * is called again, on the new document. What the function throws ends the edit. ABORTED after the last of `attempts`, or where
   * the deadline comes after a conflict, and before the next write. DEADLINE_EXCEEDED during a write: it may have happened.
   */
  // biome-ignore lint/suspicious/noExplicitAny: the caller knows its document
  edit<T = Record<string, any>>(contextId: string, change: Editor<T>, options: EditOptions = {}): Promise<WriteResult> {
    return edit(this, this.#policy, contextId, change, options, this.#deadline, this.#closing.signal);
  }

  /** The answer contains every write acknowledged before this call. With `version` or `at`, it is the document of then. */
  async get<T extends object = JsonObject>(
    contextId: string,
    options: GetOptions & { readonly includeExpiries: true },
  ): Promise<Context<T> & { readonly value: T; readonly expiries: readonly MemberExpiry[] }>;
  async get<T extends object = JsonObject>(
    contextId: string,
    options?: GetOptions,
  ): Promise<Context<T> & { readonly value: T }>;
  async get<T extends object = JsonObject>(
    contextId: string,
    options: GetOptions = {},
  ): Promise<Context<T> & { readonly value: T; readonly expiries?: readonly MemberExpiry[] }> {
    const { version = 0, at, includeExpiries = false } = options;
    const request = { contextId, version, at: at && toTimestamp(at), includeExpiries };
    const answer = await this.#call(contexts.getContext, request, options);
    const expiries = answer.expiries.map(({ path, expiresAt }) => ({
      path: path?.keys ?? [],
      expiresAt: fromTimestamp(expiresAt)!,
    }));
    return { ...fromFull<T>(answer.context!), ...(includeExpiries && { expiries }) };
  }

  /** Answers where it stood last; undefined where it was missing. */
  async delete(contextId: string, options: DeleteOptions = {}): Promise<{ position?: Position; changed: boolean }> {
    const request = toDelete(contextId, options);
    const { position, changed } = await this.#call(contexts.deleteContext, request, options);
    return position ? { position: fromPosition(position), changed } : { changed };
  }

  /**
   * Renews the time to live, or sets another one: milliseconds, 0 for none. With `paths`, that of these members and not of the
   * context; FAILED_PRECONDITION where one does not expire, or has expired. Answers without the value.
   */
  async touch(contextId: string, ttl?: number, options: TouchOptions = {}): Promise<Context> {
    const request = toTouch(contextId, ttl, options.paths);
    const { context } = await this.#call(contexts.touchContext, request, options);
    return fromContext(context!);
  }

  /**
   * Keeps a member of a context there: sets it, now and wherever it has gone, and renews it in time. It goes when the presence
   * or the client is closed, or at most `ttl` milliseconds after this process has died. Resolves when the member is set.
   */
  async presence(
    contextId: string,
    path: Path,
    value: Json,
    ttl: number,
    options: PresenceOptions = {},
  ): Promise<Presence> {
    const ended = () => this.#presences.delete(presence);
    const calls = { update: this.update.bind(this), touch: this.touch.bind(this), warn: this.warn };
    const presence: Presence = new Presence(calls, contextId, path, value, ttl, options, ended);
    this.#presences.add(presence); // a close of the client meanwhile closes it, too
    try {
      return await presence.open();
    } catch (error) {
      ended();
      throw error;
    }
  }

  /** All contexts whose ids begin with the prefix, in the order of their ids, read page after page. */
  async *list(
    prefix: string,
    options: PageOptions & { readonly includeValues?: boolean | undefined } = {},
  ): AsyncGenerator<Context, void, void> {
    let pageToken = '';
    do {
      const { pageSize = 0, includeValues = false } = options;
      const request = { prefix, pageSize, pageToken, includeValues };
      const page = await this.#call(contexts.listContexts, request, options);
      for (const context of page.contexts) yield fromContext(context);
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
  }

  /** What a copy at `known` lacks; without `known`, the document. */
  async sync(contextId: string, known?: Position, options: ReadOptions = {}): Promise<SyncResult> {
    const request = { contextId, known, ...toReading(options) };
    return fromSync(await this.#call(sync.syncContext, request, options));
  }

  /**
   * Resolves as soon as the document meets all checks; with `known`, a version since that position counts too. A context that does
   * not exist yet can be waited for. Only `deadline` and `signal` bound the wait, across broken connections and restarts.
   */
  async wait(
    contextId: string,
    checks: readonly Check[],
    options: WaitContextOptions & ReadOptions = {},
  ): Promise<WaitResult> {
    const { known, deadline, signal } = options;
    this.#checkOpen();
    checkText('context_id', contextId);
    checkChecks('until', checks);
    const until = toChecks(checks);
    const request = { contextId, known, until, ...toReading(options) };
    const bytes = encode(sync.waitContext, request);
    const end = deadline === undefined ? Number.POSITIVE_INFINITY : Date.now() + sleepMax(deadline);
    const stop = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    const answer = await patiently(this.#transport, this.#policy, end, stop, () =>
      this.#transport.longCall(sync.waitContext, bytes, end, stop, options.metadata),
    ).catch((error) => {
      throw this.#closing.signal.aborted ? closed('client') : error;
    });
    return { result: fromSync(answer), heldAt: answer.heldAt };
  }

  /**
   * Resolves as soon as a predicate of the document holds, which no checks say: it is called with the value (undefined where the
   * context is missing) when the document has come, and after each change. Answers the document; undefined where the predicate held
   * for a missing context. Only `deadline` and `signal` bound the wait.
   */
  async until<T extends object = JsonObject>(
    contextId: string,
    holds: (value: T | undefined) => boolean,
    { deadline, ...options }: CallOptions = {},
  ): Promise<ReplicaDocument<T> | undefined> {
    const watch = this.watch([contextId], options);
    const predicate = holds as (value: JsonObject | undefined) => boolean;
    return until(watch, predicate, deadline, options.signal) as Promise<ReplicaDocument<T> | undefined>;
  }

  /** Of the server, or of one of its services, as `chord.v1.ContextService`. NOT_FOUND: it has no such service. */
  health(service = '', options: CallOptions = {}): Promise<HealthStatus> {
    return this.#call(check, { service }, options);
  }

  /** The retained history after a version: pages of deltas, oldest first; each with the head, and whether some are gone. */
  async *deltas(
    contextId: string,
    fromVersion = 0,
    options: PageOptions & Omit<ReadOptions, 'paths'> = {},
  ): AsyncGenerator<{ deltas: Delta[]; head: Position; truncated: boolean }, void, void> {
    let pageToken = '';
    do {
      const { pageSize = 0, includeOldValues = false, format = '' } = options;
      const request = { contextId, fromVersion, pageSize, pageToken, includeOldValues, format };
      const page = await this.#call(sync.listDeltas, request, options);
      yield { deltas: page.deltas.map(fromDelta), head: fromPosition(page.head), truncated: page.truncated };
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
  }

  /**
   * Which version made each part of a document, and who wrote it: pages, of what lies at or below one of the paths; without paths,
   * of the whole document.
   */
  async *blame(
    contextId: string,
    paths: readonly Path[] = [],
    { pageSize = 0, ...options }: PageOptions = {},
  ): AsyncGenerator<BlamePage, void, void> {
    checkPathList('paths', paths);
    let pageToken = '';
    do {
      const request = { contextId, paths: paths.map(toPath), pageSize, pageToken };
      const page = await this.#call(sync.blameContext, request, options);
      yield { lines: page.lines.map(fromLine), position: fromPosition(page.position), olderThan: page.olderThan };
      pageToken = page.nextPageToken;
    } while (pageToken !== '');
  }

  /** What happens to these contexts, without gaps or duplicates, across broken connections and restarts of the server. */
  watch(targets: readonly Target[], options: WatchOptions = {}): Watch {
    this.#checkOpen();
    targets.forEach((target, i) => {
      checkText(`targets[${i}]`, nameOf(target));
      if (typeof target !== 'string') checkPathList(`targets[${i}].paths`, target.paths ?? []);
    });
    const watch = new Watch(this.#transport, this.#policy, targets, logged(options, this.#logger), () =>
      this.#open.delete(watch),
    );
    this.#open.add(watch);
    return watch;
  }

  /**
   * Any call of the service, with the messages of `chordstate/grpc`; fields may be left out. One try, which has all the time of the
   * call; with `repeatable`, which says that another try does no harm, as many as the client's own calls have.
   */
  async call<Q, A>(
    method: Definition<Q, A, false>,
    request: Partial<Q>,
    options: CallOptions & { readonly repeatable?: boolean | undefined } = {},
  ): Promise<A> {
    this.#checkOpen();
    const bytes = encode(method, completed(method, request));
    if (options.repeatable) return this.#tried(method, bytes, options);
    const until = Date.now() + sleepMax(options.deadline ?? this.#deadline);
    const call = () => this.#transport.call(method, bytes, until, options.signal, options.metadata);
    return inTurn(this.#gate, until, options.signal, call);
  }

  /** The same for those that answer a stream, without a deadline. Leaving the loop, or the signal, cancels it. */
  stream<Q, A>(
    method: Definition<Q, A, true>,
    request: Partial<Q>,
    { signal, metadata }: Pick<CallOptions, 'signal' | 'metadata'> = {},
  ): AsyncGenerator<A, void, void> {
    this.#checkOpen();
    const stop = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    return this.#messages(this.#transport.stream(method, completed(method, request), stop, undefined, metadata));
  }

  async *#messages<A>(stream: AsyncGenerator<A, void, void>): AsyncGenerator<A, void, void> {
    try {
      yield* stream;
    } catch (error) {
      throw this.#closing.signal.aborted ? closed('client') : error;
    }
  }

  /** Ends all presences, watches, replicas and calls, then the connections. Any call afterwards is CANCELLED. */
  async close(): Promise<void> {
    await Promise.all([...this.#presences].map((presence) => presence.close()));
    this.#closing.abort();
    this.#gate.close(closed('client'));
    await Promise.all([...this.#open].map((watch) => watch.close()));
    this.#transport.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** @param find throws what names the fault of a request that cannot be encoded */
  async #call<Q extends Texts, A>(method: Method<Q, A>, request: Q, options: CallOptions, find = () => {}): Promise<A> {
    this.#checkOpen();
    checkText('context_id', request.contextId);
    checkText('prefix', request.prefix);
    checkText('request_id', request.requestId);
    checkText('service', request.service);
    let bytes: Uint8Array;
    try {
      bytes = encode(method, request);
    } catch (error) {
      find();
      throw error;
    }
    return this.#tried(method, bytes, options);
  }

  #tried<Q, A>(method: Method<Q, A>, bytes: Uint8Array, { deadline, signal, metadata }: CallOptions): Promise<A> {
    const signals = { caller: signal, client: this.#closing.signal };
    return retrying(this.#policy, deadline ?? this.#deadline, this.#gate, signals, (until) =>
      this.#transport.call(method, bytes, until, signal, metadata),
    );
  }

  /** @throws ChordError */
  #checkOpen(): void {
    if (this.#closing.signal.aborted) throw closed('client');
  }
}

/**
 * The use cases: what can be asked of Chord about contexts, whatever the transport. The gRPC edge calls
 * nothing else, and neither do Node programs that use Chord without a network.
 */
import { encodeChanges } from '../codec/changes.js';
import { EncodedStruct, encodeStruct } from '../codec/struct.js';
import { weigh } from '../delta/index.js';
import { ChordError, invalid } from '../errors.js';
import type { Clock, Expiry, Head, JsonObject, Position } from '../model.js';
import type { FeedEvent, Store } from '../store/store.js';
import { advance, newLife } from './digest.js';
import { type Edit, evaluate, type Mutation } from './evaluate.js';
import { type CommitEvent, type DeltaView, type FullReason, isLarge, type SyncResult, type View } from './events.js';
import { viewsOf } from './history.js';
import { Duplicate, type Effect, Lane } from './lane.js';
import { Lanes } from './lanes.js';
import { checkId, checkPrefix, checkRequestId, checkTtl, PAGE_BYTES, pageSize } from './limits.js';
import { fingerprint, recall, remember } from './requests.js';
import { decide } from './sync.js';

export interface ServiceOptions {
  readonly store: Store;
  readonly clock: Clock;
  /** Hears of every durable commit, in order for each context. */
  readonly publish: (event: CommitEvent) => void;
  /** Hears of failures in work that no caller waits for. */
  readonly onError: (error: unknown) => void;
  /** Memory for contexts in use, in bytes. */
  readonly cacheBytes: number;
  /** The heaviest document, as `weigh` counts. */
  readonly maxDocumentBytes: number;
  /** A client further behind than this gets the document. */
  readonly deltaThreshold: number;
}

/** A condition on where the context stands. Positions without epoch or digest compare by what they have. */
export type Expected =
  | { readonly kind: 'position'; readonly position: Position }
  | { readonly kind: 'version'; readonly version: number }
  | { readonly kind: 'absent' };

export interface WriteOptions {
  readonly expected?: Expected | undefined;
  readonly requestId?: string | undefined;
  /** Milliseconds; 0: until it is deleted; absent: as before. */
  readonly ttl?: number | undefined;
  readonly returning?: { readonly context?: boolean; readonly delta?: boolean } | undefined;
}

export interface UpdateOptions extends WriteOptions {
  readonly allowMissing?: boolean | undefined;
}

export interface WriteResult {
  /** Absent only for a delete of a missing context. */
  readonly position?: Position | undefined;
  readonly changed: boolean;
  readonly view?: View | undefined;
  readonly delta?: DeltaView | undefined;
}

export interface ListOptions {
  readonly pageSize?: number;
  readonly pageToken?: string;
}

const EMPTY_WEIGHT = weigh({});

export class ContextService {
  readonly #options: ServiceOptions;
  readonly #store: Store;
  readonly #lanes: Lanes;
  /** With other servers on the same store, what is in memory may be old: each call asks. */
  readonly #shared: boolean;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#store = options.store;
    this.#shared = options.store.feed !== undefined;
    this.#lanes = new Lanes(
      options.cacheBytes,
      (id, changed) => new Lane(id, options.store, options.publish, changed, options.deltaThreshold),
    );
  }

  /** Contexts in memory, and what they take. */
  get cache(): { readonly contexts: number; readonly bytes: number } {
    return { contexts: this.#lanes.size, bytes: this.#lanes.bytes };
  }

  /** Creates or replaces. The service takes the value over: do not change it afterwards. */
  set(id: string, value: JsonObject, options: WriteOptions = {}): Promise<WriteResult> {
    return this.#edit(id, { kind: 'set', value }, { ...options, allowMissing: true });
  }

  /** Deep-merges `changes`, then applies the mutations in order. Takes the values over. */
  update(
    id: string,
    edit: { readonly changes?: JsonObject | undefined; readonly mutations?: readonly Mutation[] },
    options: UpdateOptions = {},
  ): Promise<WriteResult> {
    return this.#edit(id, { kind: 'update', changes: edit.changes, mutations: edit.mutations ?? [] }, options);
  }

  async delete(id: string, options: UpdateOptions = {}): Promise<WriteResult> {
    const { expected, requestId, allowMissing } = options;
    checkId(id);
    const print = requestId ? this.#fingerprint(requestId, ['delete', expected]) : '';
    return this.#once(id, requestId, print, options, (lane): Effect<WriteResult> => {
      const { tip } = lane;
      checkExpected(id, expected, tip);
      if (!tip) {
        if (allowMissing) return { head: null, answer: { changed: false } };
        throw notFound(id);
      }
      const answer = { position: tip.position, changed: true };
      const request = requestId ? { request: remember(requestId, print, answer, this.#options.clock()) } : {};
      return { removal: { id, expected: tip.position, reason: 'deleted', ...request }, head: null, answer };
    });
  }

  /** Begins the time to live again, or sets another one. */
  async touch(id: string, ttl?: number): Promise<Head> {
    checkId(id);
    if (ttl !== undefined) checkTtl(ttl);
    const lane = await this.#lane(id);
    return lane.submit((lane): Effect<Head> => {
      const { tip } = lane;
      if (!tip) throw notFound(id);
      if (ttl === undefined && !tip.expiry) return { head: tip, answer: tip };
      const head = withExpiry(tip, renewed(tip.expiry, ttl, this.#options.clock()));
      return { commit: { id, expected: tip.position, head }, head, answer: head };
    });
  }

  async get(id: string): Promise<View> {
    checkId(id);
    const lane = await this.#freshLane(id);
    const view = await lane.view();
    if (!view) throw notFound(id);
    return view;
  }

  /** Heads in the byte order of their ids. A page may be short; there are more while it has a token. */
  async list(
    prefix: string,
    options: ListOptions = {},
  ): Promise<{ heads: { id: string; head: Head }[]; nextPageToken: string }> {
    checkPrefix(prefix);
    const after = options.pageToken ? Buffer.from(options.pageToken, 'base64url').toString() : undefined;
    if (after !== undefined && !after.startsWith(prefix)) throw invalid('page_token', 'belongs to another list');
    const page = await this.#store.list(prefix, after, pageSize(options.pageSize ?? 0));
    const now = this.#options.clock();
    return {
      heads: page.heads.filter(({ head }) => !isExpired(head, now)),
      nextPageToken: page.next === undefined ? '' : this.tokenAfter(page.next),
    };
  }

  /** The page token that goes on after this id. */
  tokenAfter(id: string): string {
    return Buffer.from(id).toString('base64url');
  }

  /** What a client at `known` lacks. Answers at once where everything is in memory. */
  sync(id: string, known: Position | undefined): SyncResult | Promise<SyncResult> {
    checkId(id);
    const lane = this.#lanes.get(id);
    if (lane.live && !this.#shared) return this.#decide(lane, known);
    return this.#freshLane(id).then((fresh) => this.#decide(fresh, known));
  }

  /** The retained history after a version, oldest first. */
  async deltas(id: string, fromVersion: number, options: ListOptions = {}): Promise<DeltaPage> {
    checkId(id);
    const size = pageSize(options.pageSize ?? 0);
    const head = (await this.#freshLane(id)).durable;
    if (!head) throw notFound(id);
    const after = options.pageToken ? tokenVersion(options.pageToken, head.position) : fromVersion;
    // The record before the first one says from which position that one starts.
    let read = await this.#store.deltas(id, Math.max(0, after - 1), size + 1, PAGE_BYTES);
    const truncated = read.kind === 'truncated';
    if (read.kind === 'truncated') read = await this.#store.deltas(id, read.oldest - 1, size + 1, PAGE_BYTES);
    const records = read.kind === 'records' ? read.records : [];
    const deltas = viewsOf(id, records);
    const [first] = records;
    if (after === 0 && first?.position.version === 1) {
      const from = { epoch: first.position.epoch, version: 0, digest: '' };
      deltas.unshift({ id, from, to: first.position, payload: first, at: first.at });
    }
    const page = deltas.slice(0, size);
    const last = page.at(-1)?.to ?? records.at(-1)?.position;
    const more = last !== undefined && last.version < head.position.version;
    return { deltas: page, nextPageToken: more ? `${last.epoch}:${last.version}` : '', head: head.position, truncated };
  }

  /** Removes the context if its time to live has run out; answers whether it did. */
  async expire(id: string): Promise<boolean> {
    const lane = await this.#lane(id);
    return lane.submit((lane) => this.#expiry(lane));
  }

  /** Another server's commit. */
  onFeed(event: FeedEvent): void {
    if (event.kind === 'gap') {
      for (const lane of this.#lanes.all()) lane.distrust();
      return;
    }
    const lane = this.#lanes.peek(event.id);
    if (event.kind === 'removed') {
      if (lane?.live) lane.distrust();
      this.#options.publish({ kind: 'removed', id: event.id, reason: event.reason });
      return;
    }
    const from = event.from ?? { epoch: event.record.position.epoch, version: 0, digest: '' };
    // Nothing here knows the document's size: let those whom it concerns look.
    const delta = {
      id: event.id,
      from,
      to: event.record.position,
      payload: event.record,
      at: event.record.at,
      large: true,
    };
    if (lane) lane.offer(delta);
    else this.#options.publish({ kind: 'delta', id: event.id, delta });
  }

  async #edit(id: string, edit: Edit, options: UpdateOptions): Promise<WriteResult> {
    const { expected, requestId, ttl, returning } = options;
    checkId(id);
    if (ttl !== undefined) checkTtl(ttl);
    const print = requestId ? this.#fingerprint(requestId, [edit, expected, ttl, options.allowMissing]) : '';
    return this.#once(id, requestId, print, options, (lane): Effect<WriteResult> => {
      const { tip } = lane;
      checkExpected(id, expected, tip);
      if (!tip && !options.allowMissing) throw notFound(id);
      const now = Math.max(this.#options.clock(), tip?.updatedAt ?? 0);
      const { document, changes, weight } = evaluate(
        lane.document(),
        edit,
        tip?.weight ?? EMPTY_WEIGHT,
        this.#options.maxDocumentBytes,
      );
      const expiry = renewed(tip?.expiry, ttl, now);
      const changed = changes.length > 0 || !tip;
      const payload = changed ? encodeChanges(changes) : undefined;
      const from = tip?.position ?? newLife();
      const position = payload ? advance(from, payload) : from;
      const head = withExpiry(
        { position, createdAt: tip?.createdAt ?? now, updatedAt: changed ? now : (tip?.updatedAt ?? now), weight },
        expiry,
      );
      const delta = payload && { id, from, to: position, payload, at: now, large: isLarge(payload, weight) };
      const snapshot = payload && lane.snapshotDue(payload, weight) ? encodeStruct(document) : undefined;
      const view = returning?.context
        ? { id, head, value: changed ? new EncodedStruct(snapshot ?? encodeStruct(document)) : lane.encoded() }
        : undefined;
      const answer: WriteResult = { position, changed, view, delta: returning?.delta ? delta : undefined };
      if (!changed && !requestId && !expiry && !tip?.expiry) return { head, answer };
      const commit = {
        id,
        expected: tip?.position ?? null,
        head,
        ...(payload && { payload }),
        ...(snapshot && { snapshot }),
        ...(requestId && { request: remember(requestId, print, { position, changed }, now) }),
      };
      return { commit, head, document, answer, ...(delta && { delta }) };
    });
  }

  /** Runs a write; one that names itself and was committed before answers what it did then. */
  async #once(
    id: string,
    requestId: string | undefined,
    print: string,
    options: WriteOptions,
    write: (lane: Lane) => Effect<WriteResult>,
  ): Promise<WriteResult> {
    const ready = this.#lanes.get(id);
    const lane = ready.live ? this.#expireFirst(ready) : await this.#lane(id);
    if (!requestId) return lane.submit(write);
    try {
      return await lane.submit(write);
    } catch (error) {
      // A refusal may only mean that the first try has done its work already.
      const first = error instanceof Duplicate ? error.first : await this.#store.recall(id, requestId);
      if (!first) throw error;
      return this.#repeat(id, recall(first, print), options);
    }
  }

  async #repeat(
    id: string,
    first: { position: Position; changed: boolean },
    options: WriteOptions,
  ): Promise<WriteResult> {
    const { context, delta } = options.returning ?? {};
    const { version } = first.position;
    const view = context ? await (await this.#freshLane(id)).view() : undefined;
    const page =
      delta && first.changed ? await this.deltas(id, version - 1, { pageSize: 1 }).catch(() => undefined) : undefined;
    return {
      ...first,
      view: view?.head.position.version === version ? view : undefined,
      delta: page?.deltas.find(({ to }) => to.version === version && to.epoch === first.position.epoch),
    };
  }

  #decide(lane: Lane, known: Position | undefined): SyncResult | Promise<SyncResult> {
    const head = lane.durable;
    if (!head || isExpired(head, this.#options.clock())) {
      if (head) this.#expireFirst(lane);
      return { kind: 'missing' };
    }
    const decision = decide(known, head.position, this.#options.deltaThreshold);
    if (decision.kind === 'no_change') return { kind: 'no_change', position: head.position };
    if (decision.kind === 'full') return full(lane, decision.reason);
    const from = known as Position;
    const since = lane.history.since(from);
    if (since === 'diverged') return full(lane, 'diverged');
    if (typeof since === 'object') return smaller(lane, since, head);
    return lane.history.fetch(from, head.position).then((read) => {
      if (read === 'diverged') return full(lane, 'diverged');
      return typeof read === 'object' ? smaller(lane, read, head) : full(lane, 'history_truncated');
    });
  }

  async #lane(id: string): Promise<Lane> {
    const lane = this.#lanes.get(id);
    if (!lane.live) await lane.ready();
    return this.#expireFirst(lane);
  }

  /** A lane that holds every commit acknowledged before this call. */
  async #freshLane(id: string): Promise<Lane> {
    const lane = this.#lanes.get(id);
    if (this.#shared) await lane.refresh();
    return this.#lane(id);
  }

  /** What has expired is gone for every caller, whether or not it was swept. */
  #expireFirst(lane: Lane): Lane {
    if (isExpired(lane.tip, this.#options.clock())) {
      lane.submit((lane) => this.#expiry(lane)).catch(this.#options.onError);
    }
    return lane;
  }

  #expiry(lane: Lane): Effect<boolean> {
    const { tip } = lane;
    if (!tip || !isExpired(tip, this.#options.clock())) return { head: tip, answer: false };
    return { removal: { id: lane.id, expected: tip.position, reason: 'expired' }, head: null, answer: true };
  }

  #fingerprint(requestId: string, asked: unknown): string {
    checkRequestId(requestId);
    return fingerprint(asked);
  }
}

export interface DeltaPage {
  readonly deltas: readonly DeltaView[];
  readonly nextPageToken: string;
  readonly head: Position;
  /** Deltas right after the version asked for are gone. */
  readonly truncated: boolean;
}

function full(lane: Lane, reason: FullReason): SyncResult | Promise<SyncResult> {
  const answer = (view: View | null): SyncResult => (view ? { kind: 'full', view, reason } : { kind: 'missing' });
  const view = lane.view();
  return view instanceof Promise ? view.then(answer) : answer(view);
}

/** The delta, unless the document is smaller. */
function smaller(lane: Lane, delta: DeltaView, head: Head): SyncResult | Promise<SyncResult> {
  if (!isLarge(delta.payload, head.weight)) return { kind: 'delta', delta };
  const choose = (view: View | null): SyncResult => {
    if (!view || view.value.bytes.length >= delta.payload.changes.length) return { kind: 'delta', delta };
    return { kind: 'full', view, reason: 'delta_larger' };
  };
  const view = lane.view();
  return view instanceof Promise ? view.then(choose) : choose(view);
}

function checkExpected(id: string, expected: Expected | undefined, tip: Head | null): void {
  if (!expected) return;
  if (!tip ? expected.kind === 'absent' : isAt(expected, tip.position)) return;
  const stands = tip ? `stands at version ${tip.position.version}` : 'does not exist';
  throw new ChordError('ABORTED', `the context ${stands}, which is not what the write expected`, {
    contextId: id,
    current: tip?.position ?? null,
  });
}

function isAt(expected: Expected, { epoch, version, digest }: Position): boolean {
  if (expected.kind === 'absent') return false;
  if (expected.kind === 'version') return expected.version === version;
  const { position } = expected;
  if (position.epoch !== '' && position.epoch !== epoch) return false;
  return position.version === version && (position.digest === '' || position.digest === digest);
}

function notFound(id: string): ChordError {
  return new ChordError('NOT_FOUND', 'the context does not exist', { contextId: id });
}

function isExpired(head: Head | null, now: number): boolean {
  return head?.expiry !== undefined && head.expiry.at <= now;
}

/** A write or touch begins the time to live again. */
function renewed(old: Expiry | undefined, ttl: number | undefined, now: number): Expiry | undefined {
  const lasts = ttl ?? old?.ttl ?? 0;
  return lasts > 0 ? { at: now + lasts, ttl: lasts } : undefined;
}

function withExpiry({ expiry: _, ...head }: Head, expiry: Expiry | undefined): Head {
  return expiry ? { ...head, expiry } : head;
}

function tokenVersion(token: string, head: Position): number {
  const [epoch, version] = token.split(':');
  if (!Number.isSafeInteger(Number(version))) throw invalid('page_token', 'is none of this list');
  if (epoch !== head.epoch) throw invalid('page_token', 'is of an earlier life of the context');
  return Number(version);
}

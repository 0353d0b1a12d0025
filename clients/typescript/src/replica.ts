/** A live local copy of contexts. It emits events by the class that its platform has for that. */
import { applied } from './apply.js';
import { attempt } from './callbacks.js';
import type { BaseClient } from './client.js';
import { status, statusName } from './codes.js';
import type { Emitter } from './emitter.js';
import { ChordError, closed } from './errors.js';
import { freeze, type JsonObject } from './json.js';
import type { Change, Position, ReplicaDocument } from './model.js';
import { sleepMax } from './timers.js';
import type { Target, WatchEvent } from './tracker.js';
import type { Watch } from './watch.js';

/** Of a replica. */
export interface ReplicaOptions {
  /** What it starts with, by context id: what `state()` of an earlier one answered. The replica freezes these documents. */
  readonly state?: Iterable<readonly [contextId: string, document: ReplicaDocument]>;
}

/** Of `waitFor`. */
export interface WaitOptions {
  /** Milliseconds; without it there is no end to waiting. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What has happened to one context of a replica. */
export interface ReplicaChange {
  readonly contextId: string;
  /** Undefined: the context is gone. */
  readonly value: JsonObject | undefined;
  readonly position: Position | undefined;
  /** From the former value to this one. Undefined where the whole document came, or went. */
  readonly changes: readonly Change[] | undefined;
}

/** The events of a replica, with the arguments of their listeners. */
export interface ReplicaEvents {
  /** After the replica has changed; of a batch, after all of it. */
  change: [ReplicaChange];
  /** The connection broke and is tried again after `delay` milliseconds; the copy is as it was. */
  disconnect: [ChordError, delay: number];
  /** Everything that existed has come: at first, and after each new connection. */
  caughtUp: [];
  /**
   * A listener threw, or the watch cannot go on. Without a listener, the former is thrown as an uncaught exception, and
   * the latter is a warning of the process, or of the console.
   */
  error: [unknown];
}

/** Until a condition holds. */
interface Waiting {
  readonly check: () => void;
  readonly fail: (error: unknown) => void;
}

/** Call `close` when done. Documents are frozen: those that do not change are shared by all readers. */
export interface LiveCopy extends AsyncDisposable {
  /** Resolves when everything that existed has come. Rejects with ChordError where the watch ends before. */
  readonly ready: Promise<void>;
  /** Connected, and caught up since. */
  readonly live: boolean;
  readonly size: number;

  /** The document now; undefined where there is none. It never changes: in a module, a write to it is a TypeError. */
  get<T extends object = JsonObject>(contextId: string): T | undefined;

  /** Where the copy stands; undefined where there is none. */
  position(contextId: string): Position | undefined;

  /** Of all contexts of which there is a copy. */
  ids(): IterableIterator<string>;

  /** All documents and where they stand, as they are now: to be kept, and for another replica to start with. */
  state(): Map<string, ReplicaDocument>;

  /**
   * Until the copy of a context has come to a position (the same epoch, at least the version), or a predicate of its
   * value holds. Answers the value. Rejects with ChordError where time is over or the replica ends before, and with what
   * the predicate throws.
   */
  waitFor<T extends object = JsonObject>(
    contextId: string,
    condition: Position | ((value: T | undefined) => boolean),
    options?: WaitOptions,
  ): Promise<T | undefined>;

  /** Resolves when the watch is gone. No event comes afterwards; the copy stays as it is. */
  close(): Promise<void>;
}

/** @throws ChordError where the client is closed */
type ReplicaConstructor<E> = new (
  client: BaseClient,
  targets: readonly Target[],
  options?: ReplicaOptions,
) => LiveCopy & E;

/** The class of replicas that are emitters of this kind. */
export function replicaClass<E>(Events: new () => E): ReplicaConstructor<E> {
  class Replica extends (Events as unknown as typeof Emitter<ReplicaEvents>) implements LiveCopy {
    readonly ready: Promise<void>;
    readonly #documents: Map<string, ReplicaDocument>;
    readonly #client: BaseClient;
    readonly #watch: Watch;
    readonly #running: Promise<void>;
    readonly #waiting = new Set<Waiting>();
    #live = false;
    #closed = false;
    /** Why it has ended. */
    #end: unknown;

    constructor(client: BaseClient, targets: readonly Target[], { state = [] }: ReplicaOptions = {}) {
      super();
      this.#client = client;
      this.#documents = new Map(state);
      for (const { value } of this.#documents.values()) freeze(value);
      const known = new Map([...this.#documents].map(([id, { position }]) => [id, position]));
      this.#watch = client.watch(targets, {
        known,
        onDisconnect: (error, delay) => {
          this.#live = false;
          this.#tell('disconnect', error, delay);
        },
      });
      let caughtUp = () => {};
      let failed = (_: unknown) => {};
      this.ready = new Promise((resolve, reject) => {
        caughtUp = resolve;
        failed = reject;
      });
      this.ready.catch(() => {}); // its waiters see the error; without one, the event 'error' has it
      this.#running = this.#run(caughtUp, failed);
    }

    get<T extends object = JsonObject>(contextId: string): T | undefined {
      return this.#documents.get(contextId)?.value as T | undefined;
    }

    position(contextId: string): Position | undefined {
      return this.#documents.get(contextId)?.position;
    }

    ids(): IterableIterator<string> {
      return this.#documents.keys();
    }

    get size(): number {
      return this.#documents.size;
    }

    state(): Map<string, ReplicaDocument> {
      return new Map(this.#documents);
    }

    get live(): boolean {
      return this.#live;
    }

    waitFor<T extends object = JsonObject>(
      contextId: string,
      condition: Position | ((value: T | undefined) => boolean),
      { timeout, signal }: WaitOptions = {},
    ): Promise<T | undefined> {
      const holds = typeof condition === 'function' ? condition : () => reached(this.position(contextId), condition);
      return new Promise((resolve, reject) => {
        let timer: ReturnType<typeof setTimeout> | undefined;
        const settle = (then: () => void) => {
          this.#waiting.delete(waiting);
          clearTimeout(timer);
          signal?.removeEventListener('abort', cancel);
          then();
        };
        const waiting: Waiting = {
          check: () => {
            const value = this.get<T>(contextId);
            try {
              if (holds(value)) settle(() => resolve(value));
            } catch (error) {
              waiting.fail(error);
            }
          },
          fail: (error) => settle(() => reject(error)),
        };
        const fail = (code: number, message: string) => waiting.fail(new ChordError(statusName(code)!, message, code));
        const cancel = () => fail(status.CANCELLED, 'cancelled by its signal');
        if (signal?.aborted) return cancel();
        this.#waiting.add(waiting);
        signal?.addEventListener('abort', cancel, { once: true });
        if (timeout !== undefined) {
          const late = () => fail(status.DEADLINE_EXCEEDED, `${contextId} did not get there within ${timeout} ms`);
          timer = setTimeout(late, sleepMax(timeout));
        }
        waiting.check();
        if (this.#end !== undefined) waiting.fail(this.#end);
      });
    }

    async close(): Promise<void> {
      this.#closed = true;
      await this.#watch.close();
      await this.#running;
    }

    [Symbol.asyncDispose](): Promise<void> {
      return this.close();
    }

    async #run(caughtUp: () => void, failed: (error: unknown) => void): Promise<void> {
      const { end, broke } = await this.#follow(caughtUp);
      this.#end = end;
      this.#live = false;
      failed(end);
      for (const waiting of [...this.#waiting]) waiting.fail(end);
      if (!broke) return;
      attempt(() => {
        if (this.listenerCount('error') > 0) this.emit('error', end);
        else this.#client.warn(warningOf(end));
      });
    }

    /** Answers why it has ended, and whether that has to be reported. */
    async #follow(caughtUp: () => void): Promise<{ end: unknown; broke: boolean }> {
      let batch: WatchEvent[] = [];
      try {
        for await (const event of this.#watch) {
          batch.push(event);
          if (event.more) continue;
          this.#take(batch);
          batch = [];
          if (event.type === 'caughtUp') caughtUp();
        }
      } catch (error) {
        if (!this.#closed) return { end: error, broke: true };
      }
      return { end: closed('replica'), broke: false };
    }

    /** All of them, or none. */
    #take(events: readonly WatchEvent[]): void {
      const changes = this.#staged(events);
      if (!changes) {
        this.#watch.resync(events);
        return;
      }
      for (const { contextId, value, position } of changes) {
        if (value && position) this.#documents.set(contextId, { value, position });
        else this.#documents.delete(contextId);
      }
      for (const waiting of [...this.#waiting]) waiting.check();
      for (const change of changes) this.#tell('change', change);
      if (events.at(-1)?.type === 'caughtUp') {
        this.#live = true;
        this.#tell('caughtUp');
      }
    }

    /** What events change; undefined where a delta does not fit. */
    #staged(events: readonly WatchEvent[]): ReplicaChange[] | undefined {
      const values = new Map<string, JsonObject | undefined>();
      const staged: ReplicaChange[] = [];
      for (const event of events) {
        if (event.type === 'caughtUp' || event.type === 'absent') continue;
        const { contextId } = event;
        let change: ReplicaChange = { contextId, value: undefined, position: undefined, changes: undefined };
        if (event.type === 'full') {
          change = { contextId, value: freeze(event.value), position: event.position, changes: undefined };
        } else if (event.type === 'delta') {
          const value = applied(event.changes, values.has(contextId) ? values.get(contextId) : this.get(contextId));
          if (!value) return undefined;
          change = { contextId, value, position: event.to, changes: event.changes };
        }
        values.set(contextId, change.value);
        staged.push(change);
      }
      return staged;
    }

    /** A listener that throws must not end the replica. */
    #tell<K extends Exclude<keyof ReplicaEvents, 'error'>>(name: K, ...args: ReplicaEvents[K]): void {
      if (this.#closed) return;
      for (const listener of this.rawListeners(name)) {
        try {
          (listener as (...args: ReplicaEvents[K]) => void).apply(this, args);
        } catch (error) {
          queueMicrotask(() => this.emit('error', error));
        }
      }
    }
  }

  return Replica as unknown as ReplicaConstructor<E>;
}

function warningOf(end: unknown): Error {
  const warning = new Error(`a replica has ended: ${end instanceof Error ? end.message : end}`);
  return Object.assign(warning, { name: 'ChordWarning' });
}

function reached(held: Position | undefined, { epoch, version }: Position): boolean {
  return held !== undefined && (epoch === '' || held.epoch === epoch) && held.version >= version;
}

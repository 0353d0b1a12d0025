/** A live local copy of contexts. */
import { EventEmitter } from 'node:events';
import { apply, DeltaMismatch } from './apply.js';
import type { Client } from './client.js';
import { type ChordError, unavailable } from './errors.js';
import type { JsonObject } from './json.js';
import type { Change, Position } from './model.js';
import type { Target, WatchEvent } from './tracker.js';
import type { Watch } from './watch.js';

export interface ReplicaChange {
  readonly contextId: string;
  /** Undefined: the context is gone. */
  readonly value: JsonObject | undefined;
  readonly position: Position | undefined;
  /** From the former value to this one. Undefined where the whole document came, or went. */
  readonly changes: readonly Change[] | undefined;
}

interface ReplicaEvents {
  /** After the replica has changed. */
  change: [ReplicaChange];
  /** The connection broke and is tried again after `delay` milliseconds; the copy is as it was. */
  disconnect: [ChordError, delay: number];
  /** Everything that existed has come: at first, and after each new connection. */
  caughtUp: [];
  /** A listener threw, or the watch cannot go on. Without a listener, the former is thrown as an uncaught exception. */
  error: [unknown];
}

/** Call `close` when done. Documents are read-only: those that do not change are shared by all readers. */
export class Replica extends EventEmitter<ReplicaEvents> {
  /** Resolves when everything that existed has come. Rejects with ChordError where the watch ends before. */
  readonly ready: Promise<void>;
  readonly #documents = new Map<string, { readonly value: JsonObject; readonly position: Position }>();
  readonly #watch: Watch;
  readonly #running: Promise<void>;
  #live = false;
  #closed = false;

  constructor(client: Client, targets: readonly Target[]) {
    super();
    this.#watch = client.watch(targets, {
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
    this.ready.catch(() => {}); // whoever waits for it sees the error, whoever does not has the event
    this.#running = this.#run(caughtUp, failed);
  }

  /** The document now; undefined where there is none. */
  get(contextId: string): JsonObject | undefined {
    return this.#documents.get(contextId)?.value;
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

  /** Connected, and caught up since. */
  get live(): boolean {
    return this.#live;
  }

  /** Resolves when the watch is gone. No event comes afterwards; the copy stays as it is. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#watch.close();
    await this.#running;
  }

  async #run(caughtUp: () => void, failed: (error: unknown) => void): Promise<void> {
    try {
      for await (const event of this.#watch) {
        this.#take(event);
        if (event.type === 'caughtUp') caughtUp();
      }
      failed(unavailable('the replica was closed'));
    } catch (error) {
      failed(error);
      if (!this.#closed && this.listenerCount('error') > 0) this.emit('error', error);
    } finally {
      this.#live = false;
    }
  }

  #take(event: WatchEvent): void {
    switch (event.type) {
      case 'full':
        this.#store(event.contextId, event.value, event.position);
        return;
      case 'delta': {
        const { contextId, changes, to } = event;
        const value = this.#applied(contextId, changes);
        if (value) this.#store(contextId, value, to, changes);
        else this.#watch.resync(contextId);
        return;
      }
      case 'deleted':
        this.#documents.delete(event.contextId);
        this.#tell('change', { contextId: event.contextId, value: undefined, position: undefined, changes: undefined });
        return;
      case 'caughtUp':
        this.#live = true;
        this.#tell('caughtUp');
    }
  }

  #store(contextId: string, value: JsonObject, position: Position, changes?: readonly Change[]): void {
    this.#documents.set(contextId, { value, position });
    this.#tell('change', { contextId, value, position, changes });
  }

  #applied(contextId: string, changes: readonly Change[]): JsonObject | undefined {
    const document = this.get(contextId);
    try {
      return document && apply(changes, document);
    } catch (error) {
      if (error instanceof DeltaMismatch) return undefined;
      throw error;
    }
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

/**
 * The hub passes durable commits to every watcher of a context, by the id or by a prefix of the id. It keeps no events.
 * A commit costs one look-up for the id and one for each length of prefix in use.
 */
import type { CommitEvent, ContextEvent } from '../contexts/events.js';
import type { Feed } from '../store/store.js';
import { Slices } from './slices.js';

export interface Subscriber {
  /** Called for each commit, in order for each context; for one commit possibly more than once. Must not throw. */
  offer(event: Exclude<CommitEvent, { kind: 'batch' }>): void;
  /** Receives a batch in place of its subscribers: once, however many of the contexts it subscribed to. */
  readonly owner: BatchSubscriber;
}

export interface BatchSubscriber {
  /** Receives those events of the batch that its subscriptions cover. Must not throw. */
  offerBatch(events: readonly ContextEvent[]): void;
}

export class Hub {
  readonly #byId = new Map<string, Set<Subscriber>>();
  readonly #byPrefix = new Map<string, Set<Subscriber>>();
  /** The number of prefixes in use, by length. */
  readonly #prefixLengths = new Map<number, number>();
  /** Shared by all watchers. */
  readonly slices = new Slices();

  /** `feed` sends the commits of other servers for the contexts that are watched here. */
  constructor(private readonly feed: Feed | undefined) {}

  /** The number of watched ids and prefixes. */
  get watched(): number {
    return this.#byId.size + this.#byPrefix.size;
  }

  /** The number of subscribers of a context, by its id or a prefix. */
  watchersOf(id: string): number {
    return this.#subscribersOf(id).length;
  }

  /** Once this returns, or its promise resolves, no commit is missed. */
  subscribe(id: string, subscriber: Subscriber): Promise<void> | undefined {
    add(this.#byId, id, subscriber);
    return this.feed?.watchId(id);
  }

  unsubscribe(id: string, subscriber: Subscriber): void {
    if (drop(this.#byId, id, subscriber)) this.feed?.unwatchId(id);
  }

  subscribePrefix(prefix: string, subscriber: Subscriber): Promise<void> | undefined {
    if (add(this.#byPrefix, prefix, subscriber)) {
      this.#prefixLengths.set(prefix.length, (this.#prefixLengths.get(prefix.length) ?? 0) + 1);
    }
    return this.feed?.watchPrefix(prefix);
  }

  unsubscribePrefix(prefix: string, subscriber: Subscriber): void {
    if (!drop(this.#byPrefix, prefix, subscriber)) return;
    const left = (this.#prefixLengths.get(prefix.length) ?? 1) - 1;
    if (left === 0) this.#prefixLengths.delete(prefix.length);
    else this.#prefixLengths.set(prefix.length, left);
    this.feed?.unwatchPrefix(prefix);
  }

  readonly publish = (event: CommitEvent): void => {
    if (event.kind === 'gap') {
      for (const subscriber of this.#all()) subscriber.offer(event);
      return;
    }
    if (event.kind === 'batch') {
      this.#offerBatch(event.events);
      return;
    }
    const exact = this.#byId.get(event.id);
    if (exact) for (const subscriber of exact) subscriber.offer(event);
    for (const length of this.#prefixLengths.keys()) {
      if (length > event.id.length) continue;
      const matching = this.#byPrefix.get(event.id.slice(0, length));
      if (matching) for (const subscriber of matching) subscriber.offer(event);
    }
  };

  #all(): Set<Subscriber> {
    return new Set([...this.#byId.values(), ...this.#byPrefix.values()].flatMap((some) => [...some]));
  }

  #offerBatch(events: readonly ContextEvent[]): void {
    const concerned = new Map<BatchSubscriber, ContextEvent[]>();
    for (const event of events) {
      for (const { owner } of this.#subscribersOf(event.id)) {
        const heard = concerned.get(owner);
        if (!heard) concerned.set(owner, [event]);
        else if (heard.at(-1) !== event) heard.push(event);
      }
    }
    for (const [owner, heard] of concerned) owner.offerBatch(heard);
  }

  #subscribersOf(id: string): Subscriber[] {
    const prefixes = [...this.#prefixLengths.keys()].filter((length) => length <= id.length);
    const sets = [this.#byId.get(id), ...prefixes.map((length) => this.#byPrefix.get(id.slice(0, length)))];
    return sets.flatMap((some) => (some ? [...some] : []));
  }
}

/** Answers whether the subscriber is the first one under the key. */
function add(index: Map<string, Set<Subscriber>>, key: string, subscriber: Subscriber): boolean {
  const present = index.get(key);
  if (present) present.add(subscriber);
  else index.set(key, new Set([subscriber]));
  return !present;
}

/** Answers whether the subscriber was the last one under the key. */
function drop(index: Map<string, Set<Subscriber>>, key: string, subscriber: Subscriber): boolean {
  const present = index.get(key);
  if (!present?.delete(subscriber) || present.size > 0) return false;
  return index.delete(key);
}

/**
 * The hub: from durable commits to everyone who watches that context, by its id or by a prefix of it.
 * It keeps no events. A commit costs one look-up for the id and one for each length of prefix in use.
 */
import type { CommitEvent } from '../contexts/events.js';
import type { Feed } from '../store/store.js';

export interface Subscriber {
  /** Called for each commit, in order for each context; for the same commit perhaps more than once. Must not throw. */
  offer(event: CommitEvent): void;
}

export class Hub {
  readonly #byId = new Map<string, Set<Subscriber>>();
  readonly #byPrefix = new Map<string, Set<Subscriber>>();
  /** How many prefixes of each length are in use. */
  readonly #prefixLengths = new Map<number, number>();

  /** `feed`: tells this server of other servers' commits, for what is watched here. */
  constructor(private readonly feed: Feed | undefined) {}

  /** Ids and prefixes that somebody watches. */
  get watched(): number {
    return this.#byId.size + this.#byPrefix.size;
  }

  /** From when this returns, or its promise resolves, no commit is missed. */
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
      this.#offerAll(event);
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

  #offerAll(event: CommitEvent): void {
    const all = new Set([...this.#byId.values(), ...this.#byPrefix.values()].flatMap((some) => [...some]));
    for (const subscriber of all) subscriber.offer(event);
  }
}

/** Whether this is the first subscriber under the key. */
function add(index: Map<string, Set<Subscriber>>, key: string, subscriber: Subscriber): boolean {
  const present = index.get(key);
  if (present) present.add(subscriber);
  else index.set(key, new Set([subscriber]));
  return !present;
}

/** Whether this was the last one. */
function drop(index: Map<string, Set<Subscriber>>, key: string, subscriber: Subscriber): boolean {
  const present = index.get(key);
  if (!present?.delete(subscriber) || present.size > 0) return false;
  return index.delete(key);
}

/**
 * The hub passes durable commits to every watcher of a context, by the id or by a prefix of the id. A commit costs one
 * look-up for the id and one for each length of prefix in use. Few subscribers are offered an event at once, many in
 * slices of the event loop, so that the answer of the write need not wait for them. The hub keeps no other events.
 */
import type { CommitEvent, ContextEvent } from '../contexts/events.js';
import type { Feed } from '../store/store.js';
import { type FanOutEvent, FanOuts } from './fan-outs.js';
import { Slices } from './slices.js';

export interface Subscriber {
  /** Called for each commit, in order for each context; for one commit possibly more than once. Must not throw. */
  offer(event: Exclude<CommitEvent, { kind: 'batch' }>): void;
  /** Receives a batch in place of its subscribers: once, however many of the contexts it subscribed to. */
  readonly owner: BatchSubscriber;
}

export interface BatchSubscriber {
  /** The number of the last fan-out that it caught up with, or that began before it subscribed. */
  readonly seen: number;
  /** Receives those events of the batch that its subscriptions cover. Must not throw. */
  offerBatch(events: readonly ContextEvent[]): void;
}

/** So many subscribers are offered an event at once. */
const AT_ONCE = 32;
const NONE: readonly Set<Subscriber>[] = [];

export class Hub {
  readonly #byId = new Map<string, Set<Subscriber>>();
  readonly #byPrefix = new Map<string, Set<Subscriber>>();
  /** The number of prefixes in use, by length. */
  readonly #prefixLengths = new Map<number, number>();
  /** Shared by all watchers. */
  readonly slices = new Slices();
  readonly #fanOuts = new FanOuts();

  /** `feed` sends the commits of other servers for the contexts that are watched here. */
  constructor(private readonly feed: Feed | undefined) {}

  /** The number of watched ids and prefixes. */
  get watched(): number {
    return this.#byId.size + this.#byPrefix.size;
  }

  /** The number of subscribers of a context, by its id or a prefix. */
  watchersOf(id: string): number {
    return sizeOf(this.#setsOf(id));
  }

  /** As `Feed.confirm`. Undefined: this process makes all commits, and has published those that were answered. */
  confirm(): Promise<void> | undefined {
    if (!this.feed) return undefined;
    return this.feed.confirm?.() ?? Promise.reject(new Error('the feed cannot tell'));
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
      this.#fanOuts.flush();
      for (const subscriber of this.#all()) subscriber.offer(event);
    } else if (event.kind === 'batch') {
      if (this.#fanOuts.idle && event.events.reduce((sum, { id }) => sum + this.watchersOf(id), 0) <= AT_ONCE) {
        for (const [owner, heard] of this.#ownersOf(event.events)) owner.offerBatch(heard);
      } else this.#fanOuts.add(event, (number) => this.#offersOfBatch(event.events, number));
    } else {
      const sets = this.#setsOf(event.id);
      if (this.#fanOuts.idle && sizeOf(sets) <= AT_ONCE) {
        for (const some of sets) for (const subscriber of some) subscriber.offer(event);
      } else if (sets.length > 0) this.#fanOuts.add(event, (number) => this.#offersOf(event, sets, number));
    }
  };

  /** The number of the last fan-out. */
  get published(): number {
    return this.#fanOuts.last;
  }

  /**
   * The events published since `seen` that some subscribers have not been offered. A watcher takes them in before it
   * reads a context: what it reads must not be ahead of the events that it was offered.
   */
  missed(seen: number): Iterable<FanOutEvent> | undefined {
    return this.#fanOuts.idle ? undefined : this.#fanOuts.after(seen);
  }

  #all(): Set<Subscriber> {
    return new Set([...this.#byId.values(), ...this.#byPrefix.values()].flatMap((some) => [...some]));
  }

  *#offersOf(event: ContextEvent, sets: readonly Set<Subscriber>[], number: number): Iterator<void> {
    for (const some of sets) {
      for (const subscriber of some) {
        if (subscriber.owner.seen < number) subscriber.offer(event);
        yield;
      }
    }
  }

  *#offersOfBatch(events: readonly ContextEvent[], number: number): Iterator<void> {
    for (const [owner, heard] of this.#ownersOf(events)) {
      if (owner.seen < number) owner.offerBatch(heard);
      yield;
    }
  }

  #ownersOf(events: readonly ContextEvent[]): Map<BatchSubscriber, ContextEvent[]> {
    const concerned = new Map<BatchSubscriber, ContextEvent[]>();
    for (const event of events) {
      for (const { owner } of this.#subscribersOf(event.id)) {
        const heard = concerned.get(owner);
        if (!heard) concerned.set(owner, [event]);
        else if (heard.at(-1) !== event) heard.push(event);
      }
    }
    return concerned;
  }

  #setsOf(id: string): readonly Set<Subscriber>[] {
    let sets: Set<Subscriber>[] | undefined;
    const exact = this.#byId.get(id);
    if (exact) sets = [exact];
    for (const length of this.#prefixLengths.keys()) {
      const matching = length <= id.length ? this.#byPrefix.get(id.slice(0, length)) : undefined;
      if (!matching) continue;
      if (sets) sets.push(matching);
      else sets = [matching];
    }
    return sets ?? NONE;
  }

  #subscribersOf(id: string): Subscriber[] {
    return this.#setsOf(id).flatMap((some) => [...some]);
  }
}

function sizeOf(sets: readonly Set<Subscriber>[]): number {
  let size = 0;
  for (const some of sets) size += some.size;
  return size;
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

/** What a reader asks for, and what it is told. */
import type { DeltaView, FullReason, RemovalReason, View } from '../contexts/events.js';
import { type Interest, type Scope, union } from '../contexts/forms.js';
import type { Position } from '../model.js';

export type WatchEvent =
  | { readonly kind: 'full'; readonly view: View; readonly reason: FullReason }
  | { readonly kind: 'delta'; readonly delta: DeltaView }
  | { readonly kind: 'deleted'; readonly id: string; readonly position: Position; readonly reason: RemovalReason }
  | { readonly kind: 'absent'; readonly id: string }
  | { readonly kind: 'caught_up' }
  | { readonly kind: 'heartbeat' };

/** The reader's end. */
export interface Sink {
  /** Whether the reader has room. When it has room again, it calls `watcher.resume`. */
  ready(): boolean;
  /** `more`: the next event belongs to the same group of writes; whoever shows one without the other shows half of it. */
  send(event: WatchEvent, more: boolean): void;
  /** So many contexts are followed now. Must not close the watcher before it returns. */
  follows?(contexts: number): void;
  /** The watch cannot go on. */
  fail(error: unknown): void;
}

/** One context or all whose ids begin with a prefix; with where the reader stands already, by id. */
export interface Subscription {
  readonly target: { readonly kind: 'id'; readonly id: string } | { readonly kind: 'prefix'; readonly prefix: string };
  readonly known: ReadonlyMap<string, Position>;
  /** The parts of documents that are of interest. Absent: everything. */
  readonly scope?: Scope | undefined;
}

/**
 * How much of each context is of interest: as much as any of the subscriptions that cover it asks for. Undefined:
 * everything, as it is.
 */
export function interests(
  subscriptions: readonly Subscription[],
  wholeLists: boolean,
): (id: string) => Interest | undefined {
  const everything = wholeLists ? { wholeLists } : undefined;
  if (subscriptions.every(({ scope }) => !scope)) return () => everything;
  // Contexts are many, but the sets of subscriptions that cover one are few.
  const made = new Map<string, Interest | undefined>();
  return (id) => {
    const covering = subscriptions.flatMap(({ target }, index) => {
      const covers = target.kind === 'id' ? target.id === id : id.startsWith(target.prefix);
      return covers ? index : [];
    });
    const key = covering.join();
    if (!made.has(key)) {
      const scope = union(covering.map((index) => subscriptions[index]?.scope));
      made.set(key, scope ? { scope, wholeLists } : everything);
    }
    return made.get(key);
  };
}

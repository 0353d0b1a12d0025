/** Events for where there is no `EventEmitter` of Node: the part of it that a replica has, with the same meaning. */

type Listener<A extends unknown[]> = (...args: A) => void;

/** @typeParam E the arguments of each event, by its name */
export class Emitter<E extends { [K in keyof E]: unknown[] }> {
  // biome-ignore lint/suspicious/noExplicitAny: each event has its own arguments
  readonly #listeners = new Map<keyof E, (Listener<any> & { once?: unknown })[]>();

  on<K extends keyof E>(name: K, listener: Listener<E[K]>): this {
    this.#listeners.set(name, [...this.rawListeners(name), listener]);
    return this;
  }

  once<K extends keyof E>(name: K, listener: Listener<E[K]>): this {
    const first = (...args: E[K]) => {
      this.off(name, first);
      listener.apply(this, args);
    };
    return this.on(name, Object.assign(first, { once: listener }));
  }

  /** Removes the last one that was added so. */
  off<K extends keyof E>(name: K, listener: Listener<E[K]>): this {
    const listeners = this.#listeners.get(name) ?? [];
    const at = listeners.findLastIndex((each) => each === listener || each.once === listener);
    if (at >= 0) this.#listeners.set(name, listeners.toSpliced(at, 1));
    return this;
  }

  /** Answers whether there was a listener. An error that has none is thrown. */
  emit<K extends keyof E>(name: K, ...args: E[K]): boolean {
    const listeners = this.rawListeners(name);
    if (listeners.length === 0 && name === 'error') throw args[0];
    for (const listener of listeners) listener.apply(this, args);
    return listeners.length > 0;
  }

  listenerCount(name: keyof E): number {
    return this.rawListeners(name).length;
  }

  rawListeners<K extends keyof E>(name: K): Listener<E[K]>[] {
    return this.#listeners.get(name) ?? [];
  }
}

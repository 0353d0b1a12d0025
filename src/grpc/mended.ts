/**
 * A mend for the http2 of Node, without which each call costs a quarter more and the pauses of the collector are
 * three times as long.
 *
 * A session keeps its open streams in a Map. When the table of a Map is full, V8 makes a new one, and the old one
 * keeps its entries and points to the new one. Once a full collection has moved one such table to the old
 * generation, it is dead there but not yet collected, and keeps all that came after it from being collected while
 * it is young: table after table, with the streams that were open when each was full, which is most of them, and all
 * that hangs on those. Here the entries of a Map are boxes, and a box is emptied when its stream is taken out.
 *
 * What it needs of Node is private: the session's `state` and the five methods of the Map that Node 20 to 24 use.
 * Where that is not found nothing is changed. test/mended.test.ts sees whether it still has its effect.
 */

interface Box<T> {
  held: T | undefined;
}

/** As a Map of what is in the boxes: as far as Node needs it. */
class Boxed<T> {
  readonly #boxes = new Map<number, Box<T>>();

  get size(): number {
    return this.#boxes.size;
  }

  get(id: number): T | undefined {
    return this.#boxes.get(id)?.held;
  }

  set(id: number, held: T): this {
    this.#boxes.set(id, { held });
    return this;
  }

  delete(id: number): boolean {
    const box = this.#boxes.get(id);
    if (box) box.held = undefined;
    return this.#boxes.delete(id);
  }

  forEach(visit: (held: T, id: number) => void): void {
    this.#boxes.forEach((box, id) => {
      if (box.held !== undefined) visit(box.held, id);
    });
  }
}

interface Session {
  streams?: { forEach(visit: (stream: unknown, id: number) => void): void } | Boxed<unknown>;
}

let state: symbol | undefined;

/** Mends a session, at its first call; at the next ones does nothing. */
export function mend(session: object): void {
  state ??= Object.getOwnPropertySymbols(session).find(({ description }) => description === 'state');
  const inner = state && (session as Record<symbol, Session | undefined>)[state];
  const streams = inner?.streams;
  if (!streams || streams instanceof Boxed || typeof streams.forEach !== 'function') return;
  const boxed = new Boxed<unknown>();
  streams.forEach((stream, id) => boxed.set(id, stream));
  inner.streams = boxed;
}

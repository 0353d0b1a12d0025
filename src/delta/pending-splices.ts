/**
 * Many splices of one list or string, collected and applied together at a cost of one pass over it. The first few are
 * applied at once, each of which moves the tail of the list.
 */
import { getMember, type Json, type JsonObject, setMember } from '../model/model.js';
import { ListRun } from './list.js';
import { DeltaMismatch } from './mismatch.js';
import { Pieces } from './piece-table.js';
import { checkTextBounds, type Measured, measure, measureMember, spliceText, TextRun } from './text.js';
import type { Path, Spliced, TextSpliced } from './types.js';

/** Splices of one list or string that are applied at once. */
export const DIRECT_MAX = 8;

/**
 * Until `flush` the lists keep their elements and the strings their text; no change in a delta depends on either. A change
 * that replaces or removes a member with a string must call `drop`.
 */
export class PendingSplices {
  readonly #lists = new Map<Json[], { count: number; pieces?: Pieces<ListRun> }>();
  readonly #texts = new Map<JsonObject, Map<string, TextBuffer>>();

  /** The list must be writable (see `writable`). Throws DeltaMismatch. */
  list(list: Json[], change: Spliced): void {
    let pending = this.#lists.get(list);
    if (!pending) {
      pending = { count: 0 };
      this.#lists.set(list, pending);
    }
    const { index, removedCount, inserted } = change;
    checkBounds(change, pending.pieces?.length ?? list.length);
    if (pending.count++ < DIRECT_MAX) spliceInPlace(list, index, removedCount, inserted);
    else {
      pending.pieces ??= new Pieces(list.length);
      pending.pieces.add(index, removedCount, undefined, new ListRun(inserted));
    }
  }

  /** A string at a key of a writable object. Throws DeltaMismatch. */
  text(object: JsonObject, key: string, change: TextSpliced): void {
    let members = this.#texts.get(object);
    if (!members) {
      members = new Map();
      this.#texts.set(object, members);
    }
    let buffer = members.get(key);
    if (!buffer) {
      buffer = new TextBuffer(measureMember(object, key, textAt(object, key, change.path)));
      members.set(key, buffer);
    }
    buffer.splice(change);
  }

  drop(object: JsonObject, key: string): void {
    if (this.#texts.size > 0) this.#texts.get(object)?.delete(key);
  }

  flush(): void {
    for (const [list, { pieces }] of this.#lists) {
      if (pieces) spliceInPlace(list, 0, list.length, ListRun.join(pieces.applied(new ListRun(list))));
    }
    for (const [object, members] of this.#texts) {
      for (const [key, buffer] of members) setMember(object, key, buffer.text());
    }
    this.#lists.clear();
    this.#texts.clear();
  }
}

/** A string under splices. */
export class TextBuffer {
  #measured: Measured;
  #count = 0;
  #pieces: Pieces<TextRun> | undefined;

  constructor(text: string | Measured) {
    this.#measured = typeof text === 'string' ? measure(text) : text;
  }

  /** Throws DeltaMismatch. */
  splice(change: TextSpliced): void {
    const { index, removedCount, inserted } = change;
    const points = this.#pieces?.length ?? this.#measured.points;
    checkTextBounds(change, points);
    const append = index === points;
    if (!this.#pieces && (append || this.#count++ < DIRECT_MAX)) {
      this.#measured = spliceText(this.#measured, index, removedCount, inserted);
    } else {
      this.#pieces ??= new Pieces(points);
      this.#pieces.add(index, removedCount, undefined, new TextRun(inserted));
    }
  }

  /** The string after all splices. */
  text(): string {
    if (this.#pieces) {
      const { text, points } = this.#measured;
      this.#measured = measure(TextRun.join(this.#pieces.applied(new TextRun(text, points))));
      this.#pieces = undefined;
      this.#count = 0;
    }
    return this.#measured.text;
  }
}

export function textAt(object: JsonObject, key: string, path: Path): string {
  const text = getMember(object, key);
  if (typeof text !== 'string') throw new DeltaMismatch(path, 'is not a string');
  return text;
}

export function checkBounds({ path, index, removedCount }: Spliced, length: number): void {
  if (!(index >= 0 && removedCount >= 0 && index + removedCount <= length)) {
    throw new DeltaMismatch(path, `cannot remove ${removedCount} elements at ${index} of a list of ${length}`);
  }
}

/** Array.splice for any number of elements: some hundred thousand elements as arguments overflow the stack. */
export function spliceInPlace(list: Json[], index: number, removedCount: number, inserted: readonly Json[]): void {
  if (inserted.length < 1000) {
    list.splice(index, removedCount, ...inserted);
    return;
  }
  const tail = list.slice(index + removedCount);
  list.length = index;
  for (const value of inserted) list.push(value);
  for (const value of tail) list.push(value);
}

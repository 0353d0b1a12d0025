/** Sorted entries in memory: a list of short sorted lists, so that adding and removing move only few entries. */
import type { Due } from './store.js';

/** A longer list is cut in two. */
const LENGTH_MAX = 512;

/** Sorted by key, then by id. */
export class SortedIndex {
  /** No list is empty, unless it is the only one. */
  readonly #lists: Due[][] = [[]];

  add(entry: Due): void {
    const which = this.#listFor(entry);
    const list = this.#lists[which] as Due[];
    list.splice(placeIn(list, entry), 0, entry);
    if (list.length > LENGTH_MAX) this.#lists.splice(which + 1, 0, list.splice(LENGTH_MAX / 2));
  }

  remove(entry: Due): void {
    const which = this.#listFor(entry);
    const list = this.#lists[which] as Due[];
    const place = placeIn(list, entry);
    if (list[place]?.id !== entry.id || list[place]?.key !== entry.key) return;
    list.splice(place, 1);
    if (list.length === 0 && this.#lists.length > 1) this.#lists.splice(which, 1);
  }

  /** At most `limit` entries with keys at or below `upTo`, behind `after`. */
  range(upTo: number, limit: number, after?: Due): Due[] {
    const found: Due[] = [];
    let which = after ? this.#listFor(after) : 0;
    let place = after ? placeIn(this.#lists[which] as Due[], after) : 0;
    for (; which < this.#lists.length; which++, place = 0) {
      for (const list = this.#lists[which] as Due[]; place < list.length; place++) {
        const entry = list[place] as Due;
        if (found.length === limit || entry.key > upTo) return found;
        if (!after || compare(entry, after) > 0) found.push(entry);
      }
    }
    return found;
  }

  /** The list of the entry: the first one whose last entry is not before the given entry, or the last list. */
  #listFor(entry: Due): number {
    const lists = this.#lists;
    const last = lists.length - 1;
    return lowest(last, (which) => compare(lists[which]?.at(-1) as Due, entry) >= 0);
  }
}

function placeIn(list: readonly Due[], entry: Due): number {
  return lowest(list.length, (place) => compare(list[place] as Due, entry) >= 0);
}

/** The lowest index where `holds` is true, given that it is true for all above; `length` where it is true for none. */
function lowest(length: number, holds: (index: number) => boolean): number {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}

function compare(a: Due, b: Due): number {
  return a.key - b.key || byUtf8(a.id, b.id);
}

/** Orders strings as their UTF-8 bytes: as JavaScript does, but for surrogates, which belong above U+FFFF. */
export function byUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

function rank(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}

/**
 * A list under many splices, as pieces in the order of their places: elements that no splice has touched, elements that
 * were inserted, and between them what is gone. The pieces are a treap by position, and what is gone is joined without
 * copying it, so that n splices cost O(n log n) steps, wherever they fall.
 */
import type { Json } from '../model/model.js';
import { type Splice, spliceBetween } from './diff.js';

/** A place where elements gave way to others, with untouched elements around it. `index` counts in the list as it is now. */
export interface Hunk {
  readonly index: number;
  readonly removed: Json[];
  readonly inserted: Json[];
}

/** Elements that were there before the first splice, in their order; or how many, where nobody asks which. */
type Gone = { readonly size: number } & (
  | { readonly values: readonly Json[] | undefined }
  | { readonly before: Gone; readonly after: Gone }
);

interface Piece {
  /** Elements of the list as it is now; 0 for what is gone. */
  readonly length: number;
  /** Inserted elements, from `from`. */
  readonly values: readonly Json[] | undefined;
  readonly from: number;
  readonly gone: Gone | undefined;
  /** Of the heap: above those below it. */
  readonly rank: number;
  /** Elements of this piece and of those below it. */
  total: number;
  left: Piece | undefined;
  right: Piece | undefined;
}

export class Pieces {
  /** Pieces that were looked at: what the splices have cost. */
  steps = 0;
  #root: Piece | undefined;

  /** @param length of the list before the first splice, where that is known */
  constructor(length = Number.POSITIVE_INFINITY) {
    this.#root = length > 0 ? piece(length) : undefined;
  }

  /** Elements of the list as it is now. */
  get length(): number {
    return this.#root?.total ?? 0;
  }

  /** Takes in one more splice, which must lie within the list. `removed` is not needed where `hunks` is not called. */
  add(index: number, removedCount: number, removed: readonly Json[] | undefined, inserted: readonly Json[]): void {
    // What is gone at an edge of the splice stays outside of it, and is not looked at again.
    const [left, rest] = this.#split(this.#root, index, true);
    const [middle, right] = this.#split(rest, removedCount, false);
    let gone: Gone | undefined;
    let at = 0;
    this.#each(middle, (each) => {
      if (each.gone) gone = joined(gone, each.gone);
      else if (!each.values) {
        const values = each.length === removedCount ? removed : removed?.slice(at, at + each.length);
        gone = joined(gone, { size: each.length, values });
      }
      at += each.length;
    });
    let root = left;
    if (gone) root = this.#join(root, piece(0, undefined, 0, gone));
    if (inserted.length > 0) root = this.#join(root, piece(inserted.length, inserted));
    this.#root = this.#join(root, right);
  }

  /** Where elements gave way to others. */
  hunks(): Hunk[] {
    const hunks: Hunk[] = [];
    let hunk: Hunk | undefined;
    let index = 0;
    this.#each(this.#root, ({ length, values, from, gone }) => {
      if (!values && !gone) hunk = undefined;
      else {
        if (!hunk) {
          hunk = { index, removed: [], inserted: [] };
          hunks.push(hunk);
        }
        if (gone) collect(gone, hunk.removed);
        else append(hunk.inserted, values as readonly Json[], from, from + length);
      }
      index += length;
    });
    return hunks;
  }

  /** The list as it is now, from the list as it was. */
  applied(before: readonly Json[]): Json[] {
    const list: Json[] = [];
    let at = 0;
    this.#each(this.#root, ({ length, values, from, gone }) => {
      if (values) append(list, values, from, from + length);
      else if (gone) at += gone.size;
      else append(list, before, at, at + length);
      if (!values && !gone) at += length;
    });
    return list;
  }

  /** @param emptyLeft on which side what has no length goes, where it stands at the very place */
  #split(of: Piece | undefined, at: number, emptyLeft: boolean): [Piece | undefined, Piece | undefined] {
    if (!of) return [undefined, undefined];
    this.steps++;
    const start = of.left?.total ?? 0;
    const end = start + of.length;
    if (end < at || (end === at && (of.length > 0 || emptyLeft))) {
      const [left, right] = this.#split(of.right, at - end, emptyLeft);
      of.right = left;
      return [counted(of), right];
    }
    if (start >= at) {
      const [left, right] = this.#split(of.left, at, emptyLeft);
      of.left = right;
      return [left, counted(of)];
    }
    const head = piece(at - start, of.values, of.from);
    const tail = piece(end - at, of.values, of.from + at - start);
    return [this.#join(of.left, head), this.#join(tail, of.right)];
  }

  #join(left: Piece | undefined, right: Piece | undefined): Piece | undefined {
    if (!left || !right) return left ?? right;
    this.steps++;
    if (left.rank > right.rank) {
      left.right = this.#join(left.right, right);
      return counted(left);
    }
    right.left = this.#join(left, right.left);
    return counted(right);
  }

  #each(of: Piece | undefined, visit: (piece: Piece) => void): void {
    if (!of) return;
    this.steps++;
    this.#each(of.left, visit);
    visit(of);
    this.#each(of.right, visit);
  }
}

/** The list as it was before the hunks; undefined where they do not fit. */
export function undoHunks(hunks: readonly Hunk[], list: readonly Json[]): Json[] | undefined {
  const before: Json[] = [];
  let from = 0;
  for (const hunk of hunks) {
    append(before, list, from, hunk.index);
    append(before, hunk.removed);
    from = hunk.index + hunk.inserted.length;
  }
  if (from > list.length) return undefined;
  append(before, list, from);
  return before;
}

/** The hunks as splices to apply in this order, each no longer than it must be. */
export function splicesOf(hunks: readonly Hunk[]): Splice[] {
  const splices: Splice[] = [];
  for (const { index, removed, inserted } of hunks) {
    const splice = spliceBetween(removed, inserted);
    if (splice !== undefined) splices.push({ ...splice, index: index + splice.index });
  }
  return splices;
}

function piece(length: number, values?: readonly Json[], from = 0, gone?: Gone): Piece {
  return { length, values, from, gone, rank: Math.random(), total: length, left: undefined, right: undefined };
}

function counted(piece: Piece): Piece {
  piece.total = (piece.left?.total ?? 0) + piece.length + (piece.right?.total ?? 0);
  return piece;
}

function joined(before: Gone | undefined, after: Gone): Gone {
  return before ? { size: before.size + after.size, before, after } : after;
}

/** A loop, since what is gone may be nested as deep as there were splices. */
function collect(gone: Gone, into: Json[]): void {
  const stack = [gone];
  for (let next = stack.pop(); next; next = stack.pop()) {
    if ('before' in next) stack.push(next.after, next.before);
    else append(into, next.values ?? []);
  }
}

function append(list: Json[], values: readonly Json[], from = 0, to = values.length): void {
  for (let i = from; i < to && i < values.length; i++) list.push(values[i]!);
}

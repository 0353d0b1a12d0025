/**
 * A list under many splices, as a piece table: pieces of untouched elements, pieces of inserted elements, and between
 * them pieces for removed elements. The pieces form a treap ordered by position, and adjacent removed pieces are joined
 * without a copy, so that n splices cost O(n log n) steps, at any position.
 */
import type { Json } from '../model/model.js';
import { type Splice, spliceBetween } from './diff.js';

/** One run of replaced elements, between untouched elements. `index` counts in the current list. */
export interface Hunk {
  readonly index: number;
  readonly removed: Json[];
  readonly inserted: Json[];
}

/** Removed elements of the list before the first splice, in order; or only their number, where `hunks` is not called. */
type Gone = { readonly size: number } & (
  | { readonly values: readonly Json[] | undefined }
  | { readonly before: Gone; readonly after: Gone }
);

interface Piece {
  /** Elements in the current list; 0 for removed elements. */
  readonly length: number;
  /** Inserted elements, which start at `from`. */
  readonly values: readonly Json[] | undefined;
  readonly from: number;
  readonly gone: Gone | undefined;
  /** Priority in the treap: a piece has a higher rank than its children. */
  readonly rank: number;
  /** Elements of this piece and of all pieces below it. */
  total: number;
  left: Piece | undefined;
  right: Piece | undefined;
}

export class Pieces {
  /** Visited pieces: the cost of the splices. */
  steps = 0;
  #root: Piece | undefined;

  /** @param length of the list before the first splice, where the caller has it */
  constructor(length = Number.POSITIVE_INFINITY) {
    this.#root = length > 0 ? piece(length) : undefined;
  }

  /** Elements in the current list. */
  get length(): number {
    return this.#root?.total ?? 0;
  }

  /** Adds a splice, which must lie within the list. `removed` is needed only where `hunks` is called. */
  add(index: number, removedCount: number, removed: readonly Json[] | undefined, inserted: readonly Json[]): void {
    // Removed pieces at an edge of the splice stay outside of it, and are not visited again.
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

  /** The runs of replaced elements, in order. */
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

  /** The current list, computed from the list before the first splice. */
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

  /** @param emptyLeft whether pieces of length 0 at exactly `at` go to the left side */
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

/** The list before the hunks; undefined where the hunks do not fit the list. */
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

/** The hunks as splices to apply in this order; each splice has minimal length. */
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

/** A loop and no recursion, since the nesting is as deep as the number of splices. */
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

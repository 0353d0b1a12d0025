/**
 * A list or a string under many splices, as a piece table: pieces of untouched elements, pieces of inserted elements,
 * and between them pieces for removed elements. The pieces form a treap ordered by position, and adjacent removed pieces
 * are joined without a copy, so that n splices cost O(n log n) steps, at any position.
 */

/** Consecutive elements of a list, or code points of a string. */
export interface Run<R> {
  readonly length: number;
  /** The first `at` elements and the rest, neither of them empty. */
  split(at: number): [R, R];
}

/** One run of replaced elements, between untouched elements. `index` counts in the current sequence. */
export interface Hunk<R> {
  readonly index: number;
  readonly removed: R[];
  readonly inserted: R[];
}

/** Removed elements of the sequence before the first splice, in order; or only their number, where `hunks` is not called. */
type Gone<R> = { readonly size: number } & (
  | { readonly run: R | undefined }
  | { readonly before: Gone<R>; readonly after: Gone<R> }
);

interface Piece<R> {
  /** Elements in the current sequence; 0 for removed elements. */
  readonly length: number;
  /** The elements, where they were inserted. */
  readonly run: R | undefined;
  readonly gone: Gone<R> | undefined;
  /** Priority in the treap: a piece has a higher rank than its children. */
  readonly rank: number;
  /** Elements of this piece and of all pieces below it. */
  total: number;
  left: Piece<R> | undefined;
  right: Piece<R> | undefined;
}

export class Pieces<R extends Run<R>> {
  /** Visited pieces: the cost of the splices. */
  steps = 0;
  #root: Piece<R> | undefined;

  /** @param length of the sequence before the first splice, where the caller has it */
  constructor(length = Number.POSITIVE_INFINITY) {
    this.#root = length > 0 ? piece(length) : undefined;
  }

  /** Elements in the current sequence. */
  get length(): number {
    return this.#root?.total ?? 0;
  }

  /** Adds a splice, which must lie within the sequence. `removed` is needed only where `hunks` is called. */
  add(index: number, removedCount: number, removed: R | undefined, inserted: R): void {
    // Removed pieces at an edge of the splice stay outside of it, and are not visited again.
    const [left, rest] = this.#split(this.#root, index, true);
    const [middle, right] = this.#split(rest, removedCount, false);
    let gone: Gone<R> | undefined;
    let remaining = removed;
    this.#each(middle, (each) => {
      if (each.gone) gone = joined(gone, each.gone);
      const [run, after] = cut(remaining, each.length);
      remaining = after;
      if (!each.gone && !each.run) gone = joined(gone, { size: each.length, run });
    });
    let root = left;
    if (gone) root = this.#join(root, piece(0, undefined, gone));
    if (inserted.length > 0) root = this.#join(root, piece(inserted.length, inserted));
    this.#root = this.#join(root, right);
  }

  /** The runs of replaced elements, in order. */
  hunks(): Hunk<R>[] {
    const hunks: Hunk<R>[] = [];
    let hunk: Hunk<R> | undefined;
    let index = 0;
    this.#each(this.#root, ({ length, run, gone }) => {
      if (!run && !gone) hunk = undefined;
      else {
        if (!hunk) {
          hunk = { index, removed: [], inserted: [] };
          hunks.push(hunk);
        }
        if (gone) collect(gone, hunk.removed);
        else hunk.inserted.push(run as R);
      }
      index += length;
    });
    return hunks;
  }

  /** The current sequence in parts, computed from the sequence before the first splice. */
  applied(before: R): R[] {
    const parts: R[] = [];
    let rest: R | undefined = before;
    this.#each(this.#root, ({ length, run, gone }) => {
      if (run) {
        parts.push(run);
        return;
      }
      const [first, after] = cut(rest, gone ? gone.size : length);
      rest = after;
      if (first && !gone) parts.push(first);
    });
    return parts;
  }

  /** @param emptyLeft whether pieces of length 0 at exactly `at` go to the left side */
  #split(of: Piece<R> | undefined, at: number, emptyLeft: boolean): [Piece<R> | undefined, Piece<R> | undefined] {
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
    const [first, second] = cut(of.run, at - start);
    const head = piece(at - start, first);
    const tail = piece(end - at, second);
    return [this.#join(of.left, head), this.#join(tail, of.right)];
  }

  #join(left: Piece<R> | undefined, right: Piece<R> | undefined): Piece<R> | undefined {
    if (!left || !right) return left ?? right;
    this.steps++;
    if (left.rank > right.rank) {
      left.right = this.#join(left.right, right);
      return counted(left);
    }
    right.left = this.#join(left, right.left);
    return counted(right);
  }

  #each(of: Piece<R> | undefined, visit: (piece: Piece<R>) => void): void {
    if (!of) return;
    this.steps++;
    this.#each(of.left, visit);
    visit(of);
    this.#each(of.right, visit);
  }
}

/** The sequence before the hunks, in parts; undefined where the hunks do not fit the sequence. */
export function undoHunks<R extends Run<R>>(hunks: readonly Hunk<R>[], now: R): R[] | undefined {
  const parts: R[] = [];
  let rest: R | undefined = now;
  let at = 0;
  for (const { index, removed, inserted } of hunks) {
    const [kept, after]: [R | undefined, R | undefined] = cut(rest, index - at);
    if (kept) parts.push(kept);
    for (const run of removed) parts.push(run);
    const length = inserted.reduce((sum, run) => sum + run.length, 0);
    at = index + length;
    if (at > now.length) return undefined;
    rest = cut(after, length)[1];
  }
  if (rest) parts.push(rest);
  return parts;
}

/** The first `at` elements and the rest, undefined where there are none. */
function cut<R extends Run<R>>(run: R | undefined, at: number): [R | undefined, R | undefined] {
  if (!run || at === 0) return [undefined, run];
  return at >= run.length ? [run, undefined] : run.split(at);
}

function piece<R>(length: number, run?: R, gone?: Gone<R>): Piece<R> {
  return { length, run, gone, rank: Math.random(), total: length, left: undefined, right: undefined };
}

function counted<R>(piece: Piece<R>): Piece<R> {
  piece.total = (piece.left?.total ?? 0) + piece.length + (piece.right?.total ?? 0);
  return piece;
}

function joined<R>(before: Gone<R> | undefined, after: Gone<R>): Gone<R> {
  return before ? { size: before.size + after.size, before, after } : after;
}

/** A loop and no recursion, since the nesting is as deep as the number of splices. */
function collect<R>(gone: Gone<R>, into: R[]): void {
  const stack = [gone];
  for (let next = stack.pop(); next; next = stack.pop()) {
    if ('before' in next) stack.push(next.after, next.before);
    else if (next.run !== undefined) into.push(next.run);
  }
}

/**
 * Leaves of a document whose last change is still to be found, as a tree of their keys. Changes are noted from the newest to
 * the oldest. A change closes the leaves at and below its path, and an empty object above it. A splice closes the elements
 * that it inserted; those behind them are carried back to where they lay before it.
 */
import type { Span, Touch } from '../../codec/touched.js';
import { isObject } from '../../model/model.js';
import type { Leaf } from './leaves.js';

/** A part of a leaf, and what made it: all of the leaf, or some elements of a list, or code points of a string. */
export interface BlamedRun<T> {
  /** In the document as it is now. */
  readonly index: number;
  readonly count: number;
  readonly by: T | undefined;
}

/** Elements that are open: they lie at `index` now, and lay at `was` before the changes noted so far. */
interface OpenRun {
  readonly index: number;
  readonly was: number;
  readonly count: number;
}

interface OpenLeaf<T> {
  readonly closed: BlamedRun<T>[];
  /** In the order of their places. Empty: the leaf is open as a whole. */
  runs: OpenRun[];
  readonly isEmptyObject: boolean;
}

interface Node<T> {
  children: Map<string, Node<T>> | undefined;
  leaf: OpenLeaf<T> | undefined;
}

export class OpenLeaves<T> {
  readonly #root: Node<T> = { children: undefined, leaf: undefined };
  readonly #leaves = new Map<Leaf, OpenLeaf<T>>();
  #open = 0;
  /** Runs that were carried or closed: the measure of the work. */
  steps = 0;

  /** Leaves that are still open, at least in part. */
  get size(): number {
    return this.#open;
  }

  /** `from`: elements before it are none of the blame's business. */
  add(leaf: Leaf, from = 0): void {
    let node = this.#root;
    for (const key of leaf.path) {
      node.children ??= new Map();
      let child = node.children.get(key);
      if (!child) {
        child = { children: undefined, leaf: undefined };
        node.children.set(key, child);
      }
      node = child;
    }
    const runs = leaf.length > 0 ? [{ index: from, was: from, count: leaf.length - from }] : [];
    node.leaf = { closed: [], runs, isEmptyObject: isObject(leaf.value) };
    this.#leaves.set(leaf, node.leaf);
    this.#open++;
  }

  /** Notes a change that `by` made. */
  note({ path, span }: Touch, by: T): void {
    let node = this.#root;
    for (const key of path) {
      if (node.leaf?.isEmptyObject) this.#close(node, by);
      const child = node.children?.get(key);
      if (!child) return;
      node = child;
    }
    if (!span || !node.leaf || node.leaf.runs.length === 0) this.#closeAll(node, by);
    else {
      const { leaf } = node;
      leaf.runs = this.#carryBack(leaf, span, by);
      if (leaf.runs.length === 0) this.#closed(node);
    }
  }

  /** Nothing was there before. */
  closeAll(by: T): void {
    this.#closeAll(this.#root, by);
  }

  /** The parts of a leaf, in order, each as long as possible; those that are open have no `by`. */
  runsOf(leaf: Leaf): BlamedRun<T>[] {
    const { closed, runs } = this.#leaves.get(leaf) as OpenLeaf<T>;
    const open = runs.map(({ index, count }) => ({ index, count, by: undefined }));
    const parts = [...closed, ...open].sort((a, b) => a.index - b.index);
    if (parts.length === 0) return [{ index: 0, count: leaf.length, by: undefined }];
    const joined: BlamedRun<T>[] = [];
    for (const part of parts) {
      const last = joined.at(-1);
      if (last?.by === part.by && last) joined[joined.length - 1] = { ...last, count: last.count + part.count };
      else joined.push(part);
    }
    return joined;
  }

  #closeAll(node: Node<T>, by: T): void {
    if (node.leaf) this.#close(node, by);
    const { children } = node;
    node.children = undefined;
    for (const child of children?.values() ?? []) this.#closeAll(child, by);
  }

  #close(node: Node<T>, by: T): void {
    const leaf = node.leaf as OpenLeaf<T>;
    const parts = leaf.runs.length > 0 ? leaf.runs : [{ index: 0, count: 0 }];
    for (const { index, count } of parts) leaf.closed.push({ index, count, by });
    this.steps += parts.length;
    leaf.runs = [];
    this.#closed(node);
  }

  #closed(node: Node<T>): void {
    node.leaf = undefined;
    this.#open--;
  }

  #carryBack(leaf: OpenLeaf<T>, { index, removed, inserted }: Span, by: T): OpenRun[] {
    const { runs } = leaf;
    const end = index + inserted;
    const first = firstBehind(runs, index);
    const kept = runs.slice(0, first);
    for (const run of runs.slice(first)) {
      const before = Math.max(0, index - run.was);
      const behind = Math.min(run.count, Math.max(0, end - run.was));
      if (before > 0) kept.push({ ...run, count: before });
      if (behind > before) leaf.closed.push({ index: run.index + before, count: behind - before, by });
      if (behind < run.count) {
        const was = run.was + behind - inserted + removed;
        kept.push({ index: run.index + behind, was, count: run.count - behind });
      }
    }
    this.steps += 1 + runs.length - first;
    return kept;
  }
}

/** The first run that reaches beyond a place. */
function firstBehind(runs: readonly OpenRun[], index: number): number {
  let low = 0;
  let high = runs.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const { was, count } = runs[middle] as OpenRun;
    if (was + count <= index) low = middle + 1;
    else high = middle;
  }
  return low;
}

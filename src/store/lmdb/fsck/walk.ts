/**
 * Goes through the trees of an LMDB file from left to right, and tells what is wrong with their pages: one that is not
 * there, or is used twice, keys out of order. What lies below a damaged page is left out, and the rest is visited.
 */
import { ChordError } from '../../../model/errors.js';
import { type BTree, damaged, type Node, type Page, type PageFile, type Value } from './pages.js';

/** More than that is no tree: each level has at least two times the pages of the one above. */
const DEPTH_MAX = 48;
/** Pages above the leaves that are kept, so that looking something up reads little more than a leaf. */
const KEPT_MAX = 10_000;

export type Compare = (a: Buffer, b: Buffer) => number;

interface Step {
  readonly page: Page;
  readonly low: Buffer | undefined;
  readonly high: Buffer | undefined;
  next: number;
}

export class Walk {
  /** One bit for each page of the file. */
  readonly #used: Uint8Array;
  #told = 0;
  readonly #kept = new Map<number, ReturnType<PageFile['look']>>();

  constructor(
    readonly file: PageFile,
    /** Hears of damaged pages. What it throws ends the walk. */
    private readonly onDamage: (error: ChordError) => void,
  ) {
    this.#used = new Uint8Array(Math.ceil(file.pages / 8));
  }

  /** The records of a tree, each page of which is visited for the first time. */
  *records(tree: BTree, compare: Compare = Buffer.compare): Generator<Node> {
    const path: Step[] = [];
    const found = { branches: 0, leaves: 0, overflows: 0 };
    const told = this.#told;
    const enter = (number: number, low?: Buffer, high?: Buffer): void => {
      const page = this.#attempt(() => {
        if (path.length === DEPTH_MAX) throw damaged(number, 'leads into a circle');
        this.#use(number, 1);
        const page = this.file.page(number);
        if (page.leaf !== (path.length + 1 === tree.depth)) throw damaged(number, 'is at the wrong depth');
        found[page.leaf ? 'leaves' : 'branches']++;
        checkOrder(page, low, high, compare);
        return page;
      });
      if (page) path.push({ page, low, high, next: 0 });
    };
    if (tree.root !== null) enter(tree.root);
    for (let top = path.at(-1); top; top = path.at(-1)) {
      const { page, low, high } = top;
      const at = top.next++;
      const node = page.nodes[at];
      if (!node) path.pop();
      else if (node.child !== undefined) enter(node.child, at === 0 ? low : node.key, page.nodes[at + 1]?.key ?? high);
      else {
        const pages = this.#attempt(() => this.#useValue(node.value));
        if (pages === undefined) continue;
        found.overflows += pages;
        yield node;
      }
    }
    if (this.#told > told) return; // of a part that is left out, nothing is counted
    for (const [kind, count] of Object.entries(found)) {
      const wanted = tree[kind as keyof typeof found];
      if (wanted !== count) this.#attempt(() => this.#miscounted(tree, `${count} ${kind}, and says ${wanted}`));
    }
    if (tree.root === null && tree.depth !== 0) this.#attempt(() => this.#miscounted(tree, 'no pages, but a depth'));
  }

  #miscounted({ root }: BTree, what: string): never {
    throw new ChordError('DATA_LOSS', `the tree of page ${root ?? 'none'} has ${what}`);
  }

  /** The value under a key; null where there is none, or where the way to it is damaged. */
  find(tree: BTree, key: Buffer): Value | null {
    let number = tree.root;
    try {
      for (let depth = 0; number !== null && depth < DEPTH_MAX; depth++) {
        const kept = this.#kept.get(number);
        const { leaf, count, node } = kept ?? this.file.look(number);
        // The last one at or before the key. The first key of a branch stands for whatever is smaller.
        let [low, high] = [leaf ? -1 : 0, count - 1];
        while (low < high) {
          const middle = Math.ceil((low + high) / 2);
          if (Buffer.compare(node(middle).key, key) <= 0) low = middle;
          else high = middle - 1;
        }
        const found = low >= 0 && count > 0 ? node(low) : undefined;
        if (leaf) return found?.key.equals(key) ? (found.value ?? null) : null;
        if (!kept && this.#kept.size < KEPT_MAX) this.#kept.set(number, { leaf, count, node });
        number = found?.child ?? null;
      }
    } catch (error) {
      if (!(error instanceof ChordError)) throw error; // who visits the page tells what is wrong with it
    }
    return null;
  }

  /** Pages that LMDB would write to next. Damage: somebody uses them. */
  checkFree(): void {
    const { free, transaction } = this.file.meta;
    let entries = 0;
    for (const { key, value } of this.records(free, compareNumbers)) {
      entries++;
      this.#attempt(() => {
        if (key.readBigUInt64LE() > transaction || value?.isDatabase) throw brokenList();
        for (const [first, count] of freePages(this.file.read(value as Value))) this.#use(first, count);
      });
    }
    if (entries !== free.entries)
      this.#attempt(() => this.#miscounted(free, `${entries} entries, and says ${free.entries}`));
  }

  /** @returns how many pages the value has of its own */
  #useValue(value: Value | undefined): number {
    if (value?.first === undefined) return 0;
    const count = this.file.pagesOf(value);
    this.#use(value.first, count);
    return count;
  }

  #use(first: number, count: number): void {
    for (let number = first; number < first + count; number++) {
      if (number < 2 || number > this.file.meta.lastPage) throw damaged(number, 'does not exist');
      const bit = 1 << (number & 7);
      if ((this.#used[number >> 3] as number) & bit) throw damaged(number, 'is used twice');
      (this.#used[number >> 3] as number) |= bit;
    }
  }

  #attempt<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof ChordError)) throw error;
      this.#told++;
      this.onDamage(error);
      return undefined;
    }
  }
}

/** IndexKeys ascend, and lie where the page above says. The first key of a branch stands for whatever is smaller. */
function checkOrder(
  { number, leaf, nodes }: Page,
  low: Buffer | undefined,
  high: Buffer | undefined,
  compare: Compare,
) {
  if (nodes.length === 0) throw damaged(number, 'is empty');
  let last: Buffer | undefined;
  for (const { key } of leaf ? nodes : nodes.slice(1)) {
    const fits = last ? compare(last, key) < 0 : !low || compare(low, key) <= 0;
    if (!fits || (high && compare(key, high) >= 0)) throw damaged(number, 'has its keys out of order');
    last = key;
  }
}

/** The keys of the list of free pages are numbers. */
function compareNumbers(a: Buffer, b: Buffer): number {
  if (a.length !== 8 || b.length !== 8) return Number.NaN;
  const [first, second] = [a.readBigUInt64LE(), b.readBigUInt64LE()];
  return first < second ? -1 : first > second ? 1 : 0;
}

/** A count, then numbers of pages; a negative number is the length of a row of pages, and its first page follows. */
function* freePages(list: Buffer): Generator<[first: number, count: number]> {
  const count = list.length >= 8 ? Number(list.readBigUInt64LE()) : -1;
  if (count < 0 || count > list.length / 8 - 1) throw brokenList();
  for (let i = 1; i <= count; i++) {
    const entry = Number(list.readBigInt64LE(8 * i));
    if (entry > 0) yield [entry, 1];
    else if (entry < 0 && i === count) throw brokenList();
    else if (entry < 0) yield [Number(list.readBigInt64LE(8 * ++i)), -entry];
  }
}

function brokenList(): ChordError {
  return new ChordError('DATA_LOSS', 'the list of free pages is damaged');
}

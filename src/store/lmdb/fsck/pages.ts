/**
 * LmdbReads an LMDB file without LMDB, which follows a damaged page wherever it points to, and may end the process.
 * Here each page is checked before it is believed, and what is wrong is told.
 *
 * The layout is that of LMDB's data format 2, as in the structs MDB_meta, MDB_db, MDB_page, MDB_node and MDB_ovpage
 * of mdb.c in the lmdb package, on little-endian 64-bit machines. Reading is synchronous: for start-up and tools.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ChordError } from '../../../model/errors.js';

const MAGIC = 0xbeefc0de;
const DATA_VERSION = 2;
const MAX_PAGE_SIZE = 65_536;
const PAGE_HEADER = 24;
const NODE_HEADER = 8;
/** MDB_ovpage: page, transaction, number of pages. */
const OVERFLOW_BYTES = 24;
/** MDB_db. */
const TREE_BYTES = 48;
/** More than the address space of a process. */
const MAP_SIZE_MAX = 2n ** 47n;
const BRANCH_PAGE = 1;
const LEAF_PAGE = 2;
const OVERFLOW_PAGE = 4;
const META_PAGE = 8;
const ON_OVERFLOW_PAGES = 1;
const IS_DATABASE = 2;
/** MDB_INTEGERKEY, which the list of free pages alone has. No database of Chord has flags. */
const INTEGER_KEYS = 8;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/** What one of the two descriptions at the head of the file says. */
interface Meta {
  /** Of address space, in bytes. */
  readonly mapSize: bigint;
  /** In bytes. */
  readonly pageSize: number;
  /** The list of free pages. */
  readonly free: BTree;
  /** The database of databases. */
  readonly main: BTree;
  readonly lastPage: number;
  readonly transaction: bigint;
}

export interface BTree {
  /** Null: it is empty. */
  readonly root: number | null;
  readonly entries: number;
  /** Levels of pages. */
  readonly depth: number;
  /** How many pages it has: of branches, of leaves, of values with pages of their own. */
  readonly branches: number;
  readonly leaves: number;
  readonly overflows: number;
  readonly flags: number;
}

export const EMPTY: BTree = { root: null, entries: 0, depth: 0, branches: 0, leaves: 0, overflows: 0, flags: 0 };

export interface Node {
  readonly key: Buffer;
  /** Of a branch. */
  readonly child?: number;
  /** Of a leaf. */
  readonly value?: Value;
}

export interface Value {
  /** In the page itself; absent where it has pages of its own. */
  readonly bytes?: Buffer;
  readonly first?: number;
  /** How many they are. */
  readonly pages?: number;
  readonly length: number;
  readonly isDatabase: boolean;
}

interface Placed {
  readonly node: Node;
  /** Where it begins and ends in its page. */
  readonly from: number;
  readonly to: number;
}

export interface Page {
  readonly number: number;
  readonly leaf: boolean;
  readonly nodes: readonly Node[];
}

export class PageFile {
  readonly size: number;
  /** Of the last transaction. */
  readonly meta: Meta;
  readonly #metas: readonly Meta[];
  readonly #file: number;

  /** Throws DATA_LOSS where this is no LMDB file. */
  constructor(readonly path: string) {
    this.#file = openSync(path, 'r');
    try {
      this.size = fstatSync(this.#file).size;
      this.#metas = readMetas(this.#read(0, Math.min(this.size, 2 * MAX_PAGE_SIZE)));
      const [first, second] = this.#metas;
      if (!first || !second) {
        throw new ChordError('DATA_LOSS', `${path} is not an LMDB data file, or its head is damaged`);
      }
      this.meta = first.transaction >= second.transaction ? first : second;
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
  }

  /** Pages that are there in full. */
  get pages(): number {
    return Math.floor(this.size / this.meta.pageSize);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** What LMDB trusts of the head of the file, beyond what is needed to read it. Throws DATA_LOSS. */
  checkMetas(): void {
    for (const [page, { transaction, mapSize, pageSize, free, main }] of this.#metas.entries()) {
      const belongs = transaction === 0n || transaction % 2n === BigInt(page);
      const other = this.#metas[1 - page]!.transaction;
      const follows = transaction - other <= 1n && other - transaction <= 1n;
      if (!belongs || !follows) throw damaged(page, 'is of another transaction');
      if (pageSize !== this.meta.pageSize || mapSize > MAP_SIZE_MAX || mapSize % 4096n !== 0n) {
        throw damaged(page, 'has damaged sizes');
      }
      if (free.flags !== INTEGER_KEYS || main.flags !== 0) throw damaged(page, 'has trees of another kind');
    }
  }

  /** A page of a tree, in which nothing points out of the file, and whose nodes fill it from its end. Throws DATA_LOSS. */
  page(number: number): Page {
    const { leaf, count, end, placed } = this.#look(number);
    const nodes = Array.from({ length: count }, (_, index) => placed(index));
    let at = end;
    for (const { from, to } of nodes.toSorted((a, b) => a.from - b.from)) {
      if (from !== at) throw damaged(number, 'has nodes that overlap, or gaps between them');
      at = to;
    }
    if (at !== this.meta.pageSize) throw damaged(number, 'has nodes that overlap, or gaps between them');
    return { number, leaf, nodes: nodes.map(({ node }) => node) };
  }

  /** The same, with each node read when it is asked for. */
  look(number: number): { readonly leaf: boolean; readonly count: number; node(index: number): Node } {
    const { leaf, count, placed } = this.#look(number);
    return { leaf, count, node: (index) => placed(index).node };
  }

  /** `end`: of the room between the pointers to the nodes and the nodes. */
  #look(number: number) {
    const bytes = this.#page(number);
    const flags = bytes.readUInt16LE(18);
    if (flags !== BRANCH_PAGE && flags !== LEAF_PAGE) throw damaged(number, `is of an unknown kind (${flags})`);
    const leaf = flags === LEAF_PAGE;
    const [begin, end] = [PAGE_HEADER + bytes.readUInt16LE(20), PAGE_HEADER + bytes.readUInt16LE(22)];
    if (begin > end || end > bytes.length || ((begin | end) & 1) !== 0) throw damaged(number, 'has a damaged head');
    const placed = (index: number) => this.#node(bytes, number, PAGE_HEADER + 2 * index, leaf);
    return { leaf, count: (begin - PAGE_HEADER) / 2, end, placed };
  }

  /** How many pages a value really has, which may be more than it needs. Throws DATA_LOSS. */
  pagesOf({ first = 0, pages, length }: Value): number {
    const head = this.#page(first);
    const count = head.readUInt32LE(20);
    const fits = count >= this.span(length) && first + count <= this.pages && first + count - 1 <= this.meta.lastPage;
    if (head.readUInt16LE(18) !== OVERFLOW_PAGE || count !== pages || !fits)
      throw damaged(first, 'should hold a value and does not');
    return count;
  }

  /** How many pages a value has of its own. */
  span(length: number): number {
    return Math.floor((PAGE_HEADER - 1 + length) / this.meta.pageSize) + 1;
  }

  /** The bytes of a value. Throws DATA_LOSS. */
  read(value: Value): Buffer {
    if (value.bytes) return value.bytes;
    this.pagesOf(value);
    return this.#read((value.first as number) * this.meta.pageSize + PAGE_HEADER, value.length);
  }

  /** The database that this leaf node describes. */
  tree({ value }: Node): BTree | null {
    return value?.isDatabase && value.bytes ? readTree(value.bytes, 0) : null;
  }

  #page(number: number): Buffer {
    const { pageSize, lastPage, transaction } = this.meta;
    if (number < 2 || number > lastPage || number >= this.pages) throw damaged(number, 'is not in the file');
    const bytes = this.#read(number * pageSize, pageSize);
    if (bytes.readBigUInt64LE(0) !== BigInt(number)) throw damaged(number, 'has the number of another page');
    // LMDB takes such a page for one of its own transaction, and writes into it.
    if (bytes.readBigUInt64LE(8) > transaction) throw damaged(number, 'is of a transaction that never was');
    return bytes;
  }

  #node(page: Buffer, number: number, pointer: number, leaf: boolean): Placed {
    const from = PAGE_HEADER + page.readUInt16LE(pointer);
    if (from + NODE_HEADER > page.length) throw damaged(number, 'points out of itself');
    const [low, high, flags, keyLength] = [0, 2, 4, 6].map((offset) => page.readUInt16LE(from + offset)) as Four;
    const at = from + NODE_HEADER + keyLength;
    const ends = (to: number) => {
      if (to > page.length) throw damaged(number, 'points out of itself');
      return to + (to & 1);
    };
    ends(at);
    if (keyLength > this.#maxKey || (leaf && keyLength === 0)) throw damaged(number, 'has a key of a wrong length');
    const key = page.subarray(from + NODE_HEADER, at);
    if (!leaf) return { node: { key, child: low + high * 2 ** 16 + flags * 2 ** 32 }, from, to: ends(at) };
    const length = low + high * 2 ** 16;
    const isDatabase = flags === IS_DATABASE;
    if (flags === ON_OVERFLOW_PAGES) {
      const to = ends(at + OVERFLOW_BYTES);
      const [first, transaction, pages] = [0, 8, 16].map((offset) =>
        Number(page.readBigUInt64LE(at + offset)),
      ) as Three;
      if (transaction > Number(this.meta.transaction)) throw damaged(number, 'has a node that never was written');
      return { node: { key, value: { first, pages, length, isDatabase } }, from, to };
    }
    if (flags !== 0 && !(isDatabase && length === TREE_BYTES)) throw damaged(number, 'has a node of an unknown kind');
    const to = ends(at + length);
    return { node: { key, value: { bytes: page.subarray(at, at + length), length, isDatabase } }, from, to };
  }

  get #maxKey(): number {
    return (((this.meta.pageSize - PAGE_HEADER) / 2) & -2) - 2 - NODE_HEADER - TREE_BYTES;
  }

  #read(at: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, readSync(this.#file, bytes, 0, length, at));
  }
}

type Three = [number, number, number];
type Four = [number, number, number, number];

export function damaged(page: number, what: string): ChordError {
  return new ChordError('DATA_LOSS', `page ${page} ${what}`);
}

/** Those of the two that can be read. */
function readMetas(start: Buffer): Meta[] {
  const first = readMeta(start, 0);
  const second = first && readMeta(start, first.pageSize);
  return [first, second].filter((meta) => meta !== null);
}

function readMeta(start: Buffer, at: number): Meta | null {
  const meta = start.subarray(at + PAGE_HEADER);
  if (meta.length < 136 || meta.readUInt32LE(0) !== MAGIC || meta.readUInt32LE(4) !== DATA_VERSION) return null;
  if (start.readUInt16LE(at + 18) !== META_PAGE) return null;
  const pageSize = meta.readUInt32LE(24);
  if (pageSize < 512 || pageSize > MAX_PAGE_SIZE) return null;
  return {
    mapSize: meta.readBigUInt64LE(16),
    pageSize,
    free: readTree(meta, 24),
    main: readTree(meta, 72),
    lastPage: Number(meta.readBigUInt64LE(120)),
    transaction: meta.readBigUInt64LE(128),
  };
}

function readTree(bytes: Buffer, at: number): BTree {
  const root = bytes.readBigUInt64LE(at + 40);
  const [branches, leaves, overflows, entries] = [8, 16, 24, 32].map((offset) => {
    return Number(bytes.readBigUInt64LE(at + offset));
  }) as Four;
  const [flags, depth] = [bytes.readUInt16LE(at + 4), bytes.readUInt16LE(at + 6)];
  return { root: root === NO_PAGE ? null : Number(root), entries, depth, branches, leaves, overflows, flags };
}

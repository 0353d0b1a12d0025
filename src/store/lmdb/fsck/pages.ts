/**
 * Reads an LMDB file without LMDB, which follows the pointers of a damaged page anywhere, and may end the process.
 * Here each page is checked before it is used, and damage is reported.
 *
 * The layout is that of LMDB's data format 2, as in the structs MDB_meta, MDB_db, MDB_page, MDB_node and MDB_ovpage
 * of mdb.c in the lmdb package, on little-endian 64-bit machines. Reading is synchronous: for start-up and tools.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { ChordError } from '../../../model/errors.js';

const MAGIC = 0xbeefc0de;
const MAX_PAGE_SIZE = 65_536;
const PAGE_HEADER = 24;
const NODE_HEADER = 8;
const BRANCH_PAGE = 1;
const LEAF_PAGE = 2;
const OVERFLOW_PAGE = 4;
const ON_OVERFLOW_PAGES = 1;
const IS_DATABASE = 2;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/** One of the two meta pages at the start of the file. */
interface Meta {
  /** In bytes. */
  readonly pageSize: number;
  /** The list of free pages. */
  readonly free: BTree;
  /** The tree of the named databases. */
  readonly main: BTree;
  readonly lastPage: number;
  readonly transaction: bigint;
}

export interface BTree {
  /** Null: the tree is empty. */
  readonly root: number | null;
  readonly entries: number;
}

export interface Node {
  readonly key: Buffer;
  /** In a branch page. */
  readonly child?: number;
  /** In a leaf page. */
  readonly value?: Value;
}

export interface Value {
  /** The value inside the page; absent where the value has overflow pages of its own. */
  readonly bytes?: Buffer;
  readonly first?: number;
  readonly length: number;
  readonly isDatabase: boolean;
}

export interface Page {
  readonly number: number;
  readonly leaf: boolean;
  readonly nodes: readonly Node[];
}

export class PageFile {
  readonly size: number;
  readonly meta: Meta;
  readonly #file: number;

  /** Throws DATA_LOSS where the file is not an LMDB file. */
  constructor(readonly path: string) {
    this.#file = openSync(path, 'r');
    try {
      this.size = fstatSync(this.#file).size;
      const meta = newerMeta(this.#read(0, Math.min(this.size, 2 * MAX_PAGE_SIZE)));
      if (meta === null) throw new ChordError('DATA_LOSS', `${path} is not an LMDB data file, or has a damaged head`);
      this.meta = meta;
    } catch (error) {
      closeSync(this.#file);
      throw error;
    }
  }

  /** The number of pages that are in the file in full. */
  get pages(): number {
    return Math.floor(this.size / this.meta.pageSize);
  }

  close(): void {
    closeSync(this.#file);
  }

  /** A page of a tree; no pointer in it leads out of the file. Throws DATA_LOSS. */
  page(number: number): Page {
    const { leaf, count, node } = this.look(number);
    return { number, leaf, nodes: Array.from({ length: count }, (_, index) => node(index)) };
  }

  /** The same, but each node is read only when it is requested. */
  look(number: number): { readonly leaf: boolean; readonly count: number; node(index: number): Node } {
    const bytes = this.#page(number);
    const flags = bytes.readUInt16LE(18);
    if (flags !== BRANCH_PAGE && flags !== LEAF_PAGE) throw damaged(number, `is of an unknown kind (${flags})`);
    const leaf = flags === LEAF_PAGE;
    const end = PAGE_HEADER + bytes.readUInt16LE(20);
    if (end > bytes.length || (end & 1) !== 0) throw damaged(number, 'has a damaged header');
    const node = (index: number) => this.#node(bytes, number, PAGE_HEADER + 2 * index, leaf);
    return { leaf, count: (end - PAGE_HEADER) / 2, node };
  }

  /** The number of overflow pages for a value of this length. */
  span(length: number): number {
    return Math.floor((PAGE_HEADER - 1 + length) / this.meta.pageSize) + 1;
  }

  /** The bytes of a value. Throws DATA_LOSS. */
  read({ bytes, first = 0, length }: Value): Buffer {
    if (bytes) return bytes;
    const { pageSize } = this.meta;
    if (first + this.span(length) > this.pages) throw damaged(first, 'is not in the file');
    const head = this.#page(first);
    if (head.readUInt16LE(18) !== OVERFLOW_PAGE || head.readUInt32LE(20) < this.span(length)) {
      throw damaged(first, 'should contain a value and does not');
    }
    return this.#read(first * pageSize + PAGE_HEADER, length);
  }

  /** The database that this leaf node describes. */
  tree({ value }: Node): BTree | null {
    return value?.isDatabase && value.bytes ? readTree(value.bytes, 0) : null;
  }

  #page(number: number): Buffer {
    const { pageSize, lastPage } = this.meta;
    if (number < 2 || number > lastPage || number >= this.pages) throw damaged(number, 'is not in the file');
    const bytes = this.#read(number * pageSize, pageSize);
    if (bytes.readBigUInt64LE(0) !== BigInt(number)) throw damaged(number, 'has the number of another page');
    return bytes;
  }

  #node(page: Buffer, number: number, pointer: number, leaf: boolean): Node {
    const at = PAGE_HEADER + page.readUInt16LE(pointer);
    if (at + NODE_HEADER > page.length) throw damaged(number, 'has a node outside of the page');
    const [low, high, flags, keyLength] = [0, 2, 4, 6].map((offset) => page.readUInt16LE(at + offset)) as Four;
    const key = page.subarray(at + NODE_HEADER, at + NODE_HEADER + keyLength);
    const rest = page.subarray(at + NODE_HEADER + keyLength);
    if (key.length < keyLength) throw damaged(number, 'has a key outside of the page');
    if (!leaf) return { key, child: low + high * 2 ** 16 + flags * 2 ** 32 };
    const length = low + high * 2 ** 16;
    const isDatabase = (flags & IS_DATABASE) !== 0;
    if ((flags & ON_OVERFLOW_PAGES) === 0) {
      if (rest.length < length || (isDatabase && length < 48)) throw damaged(number, 'has a value outside of the page');
      return { key, value: { bytes: rest.subarray(0, length), length, isDatabase } };
    }
    if (rest.length < 8) throw damaged(number, 'has a value outside of the page');
    return { key, value: { first: Number(rest.readBigUInt64LE(0)), length, isDatabase } };
  }

  #read(at: number, length: number): Buffer {
    const bytes = Buffer.allocUnsafe(length);
    return bytes.subarray(0, readSync(this.#file, bytes, 0, length, at));
  }
}

type Four = [number, number, number, number];

export function damaged(page: number, what: string): ChordError {
  return new ChordError('DATA_LOSS', `page ${page} ${what}`);
}

function newerMeta(start: Buffer): Meta | null {
  const first = readMeta(start, 0);
  const second = first && readMeta(start, first.pageSize);
  if (!first || !second) return null;
  return first.transaction > second.transaction ? first : second;
}

function readMeta(start: Buffer, page: number): Meta | null {
  const meta = start.subarray(page + PAGE_HEADER);
  if (meta.length < 136 || meta.readUInt32LE(0) !== MAGIC) return null;
  const pageSize = meta.readUInt32LE(24);
  if (pageSize < 512 || pageSize > MAX_PAGE_SIZE) return null;
  return {
    pageSize,
    free: readTree(meta, 24),
    main: readTree(meta, 72),
    lastPage: Number(meta.readBigUInt64LE(120)),
    transaction: meta.readBigUInt64LE(128),
  };
}

function readTree(bytes: Buffer, at: number): BTree {
  const root = bytes.readBigUInt64LE(at + 40);
  return { root: root === NO_PAGE ? null : Number(root), entries: Number(bytes.readBigUInt64LE(at + 32)) };
}

/**
 * Looks at data.mdb before LMDB maps it into memory: a file that is shorter than it should be would end the
 * process with SIGBUS at the first read of what is missing. The layout is that of LMDB's data format 2, as in the
 * structs MDB_meta, MDB_db, MDB_page and MDB_node of mdb.c in the lmdb package, on little-endian 64-bit machines.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { ChordError } from '../errors.js';

const MAGIC = 0xbeefc0de;
const MAX_PAGE_SIZE = 65_536;
const PAGE_HEADER = 24;
const NODE_HEADER = 8;
const BRANCH_PAGE = 1;
const LEAF_PAGE = 2;
const ON_OVERFLOW_PAGES = 1;
const IS_DATABASE = 2;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;

/** What one of the two descriptions at the head of the file says. Sizes in bytes. */
interface Meta {
  readonly pageSize: number;
  /** Of the list of free pages, and of the database of databases. */
  readonly roots: readonly bigint[];
  readonly lastPage: number;
  readonly transaction: bigint;
}

/** Throws DATA_LOSS where the file is no LMDB file or a part of it is missing. No file at all is fine. */
export async function checkDataFile(directory: string): Promise<void> {
  const path = join(directory, 'data.mdb');
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
  if (file === null) return;
  try {
    const { size } = await file.stat();
    const meta = newerMeta(await read(file, 0, Math.min(size, 2 * MAX_PAGE_SIZE)));
    if (meta === null) throw new ChordError('DATA_LOSS', `${path} is not an LMDB data file, or its head is damaged`);
    // LMDB does not write pages at the end that it took and gave back in one transaction, so a file may be whole
    // and yet shorter than it says. That is rare enough to go through all of it then.
    const claimed = (meta.lastPage + 1) * meta.pageSize;
    const pages = Math.floor(size / meta.pageSize);
    if (size < claimed && !(await hasAllPages(file, meta, pages).catch(() => false))) {
      throw new ChordError('DATA_LOSS', `${path} is truncated: ${size} bytes of ${claimed}`);
    }
  } finally {
    await file.close();
  }
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
  const roots = [meta.readBigUInt64LE(24 + 40), meta.readBigUInt64LE(72 + 40)];
  return { pageSize, roots, lastPage: Number(meta.readBigUInt64LE(120)), transaction: meta.readBigUInt64LE(128) };
}

/** Whether every page that is in use is among the first `pages`. */
async function hasAllPages(file: FileHandle, { roots, pageSize }: Meta, pages: number): Promise<boolean> {
  const toVisit = [...roots];
  for (let number = toVisit.pop(); number !== undefined; number = toVisit.pop()) {
    if (number === NO_PAGE) continue;
    if (number >= pages) return false;
    const page = await read(file, Number(number) * pageSize, pageSize);
    const flags = page.readUInt16LE(18);
    for (const node of nodes(page)) {
      if (flags & BRANCH_PAGE) {
        toVisit.push(BigInt(node.readUIntLE(0, 6)));
      } else if (flags & LEAF_PAGE) {
        const nodeFlags = node.readUInt16LE(4);
        const data = node.subarray(NODE_HEADER + node.readUInt16LE(6));
        if (nodeFlags & IS_DATABASE) toVisit.push(data.readBigUInt64LE(40));
        if (nodeFlags & ON_OVERFLOW_PAGES) {
          const last =
            Number(data.readBigUInt64LE(0)) + Math.floor((PAGE_HEADER - 1 + node.readUInt32LE(0)) / pageSize);
          if (last >= pages) return false;
        }
      }
    }
  }
  return true;
}

function* nodes(page: Buffer): Generator<Buffer> {
  const end = PAGE_HEADER + page.readUInt16LE(20);
  for (let at = PAGE_HEADER; at < end; at += 2) yield page.subarray(PAGE_HEADER + page.readUInt16LE(at));
}

async function read(file: FileHandle, at: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, at);
  return buffer.subarray(0, bytesRead);
}

/**
 * Checks data.mdb before LMDB maps the file into memory: where the file is too short, the first read of a missing page
 * would end the process with SIGBUS.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { ChordError } from '../../../model/errors.js';
import { type BTree, PageFile } from './pages.js';
import { Walk } from './walk.js';

/**
 * Throws DATA_LOSS where the file is no LMDB file or a part of it is missing. No file at all is fine, and so is an empty
 * one that LMDB has never opened: a server was stopped when it had just made it.
 */
export function checkDataFile(directory: string): void {
  const path = join(directory, 'data.mdb');
  const size = sizeOf(path);
  if (size === 0 && sizeOf(join(directory, 'lock.mdb')) === 0) return;
  if (size === 0) {
    const message = `${path} is empty, and was not always; if it never held anything, remove it and lock.mdb`;
    throw new ChordError('DATA_LOSS', message);
  }
  const file = new PageFile(path);
  try {
    // LMDB does not write pages at the end that one transaction allocated and freed, so an intact file may be shorter
    // than its header says. That is rare, so in this case the whole file is checked.
    const claimed = (file.meta.lastPage + 1) * file.meta.pageSize;
    if (file.size < claimed && !hasAllPages(file)) {
      throw new ChordError('DATA_LOSS', `${path} is truncated: ${file.size} bytes of ${claimed}`);
    }
  } finally {
    file.close();
  }
}

/** Of a file that is not there: 0. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

/** Whether every page that is in use is there. */
function hasAllPages(file: PageFile): boolean {
  const walk = new Walk(file, (error) => {
    throw error;
  });
  const visit = (tree: BTree): void => {
    for (const node of walk.records(tree)) {
      const inner = file.tree(node);
      if (inner) visit(inner);
    }
  };
  try {
    walk.checkFree();
    visit(file.meta.main);
    return true;
  } catch (error) {
    if (error instanceof ChordError) return false;
    throw error;
  }
}

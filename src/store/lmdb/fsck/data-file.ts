/**
 * Checks data.mdb before LMDB maps the file into memory: where the file is too short, the first read of a missing page
 * would end the process with SIGBUS.
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ChordError } from '../../../model/errors.js';
import { type BTree, PageFile } from './pages.js';
import { Walk } from './walk.js';

/** Throws DATA_LOSS where the file is not an LMDB file or is truncated. A missing file is accepted. */
export function checkDataFile(directory: string): void {
  const path = join(directory, 'data.mdb');
  if (!existsSync(path)) return;
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

/** Whether every used page is in the file. */
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

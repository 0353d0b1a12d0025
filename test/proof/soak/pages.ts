/** How much of the file of LMDB has contents, and how old a snapshot is still read: seen beside the server that has it open. */
import { open } from 'lmdb';
import { NAMES } from '../../../src/store/lmdb/schema.js';

interface Stats {
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

interface RootStats extends Stats {
  readonly pageSize: number;
  readonly lastPageNumber: number;
  readonly lastTxnId: number;
}

export interface Pages {
  /** MiB with contents. */
  readonly used: number;
  /** MiB without: reused as soon as no reader needs what they held. */
  readonly free: number;
  /** Transactions since the oldest snapshot that is read. One that is never let go is a leak of the file. */
  readonly behind: number;
}

export async function pagesOf(path: string): Promise<Pages> {
  const env = open({ path, noSubdir: false, readOnly: true, maxDbs: 12 });
  try {
    const root = env.getStats() as RootStats;
    const all = Object.values(NAMES).map((name) => env.openDB({ name }).getStats() as Stats);
    const used = [root, ...all].reduce((sum, stats) => sum + pages(stats), 0);
    const mib = root.pageSize / 2 ** 20;
    // Lines of a process, a thread and a transaction; a dash where none is read.
    const read = env.readerList().matchAll(/^\s*\d+\s+\S+\s+(\d+)$/gm);
    const oldest = Math.min(root.lastTxnId, ...[...read].map(([, transaction]) => Number(transaction)));
    return { used: used * mib, free: (root.lastPageNumber + 1 - used) * mib, behind: root.lastTxnId - oldest };
  } finally {
    await env.close();
  }
}

function pages({ treeBranchPageCount, treeLeafPageCount, overflowPages }: Stats): number {
  return treeBranchPageCount + treeLeafPageCount + overflowPages;
}

/** What LMDB's errors mean for the store. Codes below zero are those of lmdb.h, those above it errno. */
import { ChordError } from '../../model/errors.js';

const MDB_MAP_RESIZED = -30785;
const MDB_READERS_FULL = -30790;
const MDB_PANIC = -30795;
/** Codes of damaged pages: MDB_CORRUPTED, MDB_PAGE_NOTFOUND, MDB_INVALID. */
const DAMAGED = new Set([-30796, -30797, -30793]);

/** What to do about damaged pages. */
export const RUN_VERIFY = 'stop the server and run chord verify';

/**
 * The disk failed to write or to sync what a commit wrote. The environment must not be written to again: the kernel may have
 * dropped the pages, so that another fsync succeeds without them, and lmdb may have overrun its heap (docs/operations.md).
 */
export class DiskFailure extends ChordError {
  constructor(cause: Error) {
    super(
      'UNAVAILABLE',
      `the disk failed a commit (${cause.message}): nothing is written until the server is restarted`,
      {
        cause,
      },
    );
  }
}

/** Of a read. What LMDB itself finds wrong with its pages is lost data; an environment that has failed is not. */
export function unreadable(error: unknown): ChordError {
  if (error instanceof ChordError) return error;
  const code = codeOf(error);
  if (code > 0 || code === MDB_PANIC || code === MDB_READERS_FULL || code === MDB_MAP_RESIZED) {
    return new ChordError('UNAVAILABLE', `the store cannot be read now: ${error}`, { cause: error });
  }
  return new ChordError('DATA_LOSS', `the database cannot be read: ${error}; ${RUN_VERIFY}`, { cause: error });
}

/** Of a commit. lmdb has the cause in a second promise, which would end the process if it were not awaited. */
export async function commitFailed(error: unknown): Promise<ChordError> {
  let cause = error;
  const { commitError } = error as { commitError?: Promise<unknown> };
  await commitError?.catch((reason: unknown) => {
    cause = reason;
  });
  const failure = cause instanceof Error ? cause : new Error(String(cause));
  const code = codeOf(failure);
  if (code > 0 || code === MDB_PANIC) return new DiskFailure(failure);
  if (isDamage(failure)) {
    return new ChordError('DATA_LOSS', `the database cannot be written: ${failure.message}; ${RUN_VERIFY}`, { cause });
  }
  return new ChordError('UNAVAILABLE', `the store could not commit: ${failure.message}`, { cause });
}

/** Whether LMDB found its pages damaged. */
export function isDamage(error: unknown): boolean {
  return DAMAGED.has(codeOf(error));
}

function codeOf(error: unknown): number {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'number' ? code : 0;
}

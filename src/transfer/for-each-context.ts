/** Runs work for many contexts, a few at a time, and reports each one when it is done. */
import { ChordError, isUnavailable, type Reason } from '../model/errors.js';
import type { Position } from '../model/model.js';

export interface Transferred {
  readonly id: string;
  readonly position: Position;
  readonly deltas: number;
  readonly exportedAt: number;
}

export interface TransferProgress {
  readonly total: number;
  readonly done: number;
  readonly failed: number;
  /** The last finished context. Absent at first, and where the context no longer existed. */
  readonly last?: Transferred | Failed | undefined;
}

export interface Failed {
  readonly id: string;
  readonly reason: Reason;
  readonly message: string;
}

const AT_ONCE = 8;
/** After this many failures in a row the provider counts as away: going on would only take long. */
const AWAY_AFTER = 20;

/** Throws errors that are no ChordError; and UNAVAILABLE or DEADLINE_EXCEEDED when they occur many times in a row. */
export async function* forEachContext(
  ids: readonly string[],
  work: (id: string) => Promise<Transferred>,
): AsyncGenerator<TransferProgress> {
  const total = ids.length;
  let [started, done, failed, awayInARow] = [0, 0, 0, 0];
  yield { total, done, failed };
  const running = new Map<string, Promise<{ id: string; last: Transferred | Failed | undefined; error?: unknown }>>();
  while (done < total) {
    for (; running.size < AT_ONCE && started < total; started++) {
      const id = ids[started] as string;
      running.set(id, outcome(id, work(id)));
    }
    const { id, last, error } = await Promise.race(running.values());
    running.delete(id);
    if (error !== undefined && !last) throw error;
    done++;
    if (last && 'reason' in last) failed++;
    awayInARow = isUnavailable(error) ? awayInARow + 1 : 0;
    if (awayInARow >= AWAY_AFTER) throw error;
    yield { total, done, failed, last };
  }
}

async function outcome(id: string, work: Promise<Transferred>) {
  try {
    return { id, last: await work };
  } catch (error) {
    if (!(error instanceof ChordError)) return { id, last: undefined, error };
    if (error.reason === 'NOT_FOUND') return { id, last: undefined };
    return { id, last: { id, reason: error.reason, message: error.message }, error };
  }
}

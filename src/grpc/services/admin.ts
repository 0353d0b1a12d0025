/** AdminService.WatchStats: statistics of the server for each interval. */
import * as a from '../../gen/chord/v1/admin_service.js';
import type { Stats as ProtoStats } from '../../gen/chord/v1/stats.js';
import { ChordError, invalid } from '../../model/errors.js';
import type { Clock } from '../../model/model.js';
import type { Stats, StatsView } from '../../observability/stats.js';
import type { Store } from '../../store/store.js';
import { pathOf } from '../call-description.js';
import { fromDuration, toDuration, toTimestamp } from '../codec/times.js';
import type { ServedService } from '../served-service.js';
import { streaming } from '../server-streaming.js';

export interface StatsSource {
  readonly version: string;
  readonly backend: string;
  /** In milliseconds since 1970. */
  readonly startedAt: number;
  look(): StatsView;
}

const INTERVAL = 1000;
const INTERVAL_MIN = 100;
const INTERVAL_MAX = 3_600_000;
const NO_BACKUP =
  'only a server on lmdb can be backed up like this; on Redis, use the persistence of Redis or `chord export`';

export function adminService(store: Store, clock: Clock, stats: StatsSource, stopping: AbortSignal): ServedService {
  return {
    definition: a.AdminServiceService,
    streams: streaming({
      watchStats: (request: a.WatchStatsRequest, ended: AbortSignal) => watchStats(stats, request, ended, stopping),

      async *backup(): AsyncGenerator<a.BackupResponse> {
        if (!store.backup) throw new ChordError('FAILED_PRECONDITION', NO_BACKUP);
        const { format, counts, parts } = store.backup();
        const start = { format, takenAt: toTimestamp(clock()), counts: new Map(counts) };
        yield { part: { $case: 'start', value: start } };
        for await (const { database, keys, values } of parts) {
          yield { part: { $case: 'records', value: { database, keys: [...keys], values: [...values] } } };
        }
      },
    }),
  };
}

/** Yields until the call or the server ends. */
async function* watchStats(
  source: StatsSource,
  request: a.WatchStatsRequest,
  ended: AbortSignal,
  stopping: AbortSignal,
): AsyncGenerator<a.WatchStatsResponse> {
  const interval = fromDuration(request.interval, 'interval') ?? INTERVAL;
  if (!(interval >= INTERVAL_MIN && interval <= INTERVAL_MAX))
    throw invalid('interval', 'must be between 100 ms and 1 h');
  const view = source.look();
  try {
    for (;;) {
      await pause(interval, [ended, stopping]);
      if (ended.aborted) return;
      if (stopping.aborted) throw new ChordError('UNAVAILABLE', 'the server shuts down');
      yield { stats: toStats(view.take(), source) };
    }
  } finally {
    view.close();
  }
}

/** Resolves after `ms`, or as soon as one of the signals is aborted. */
function pause(ms: number, signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      for (const signal of signals) signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    for (const signal of signals) signal.addEventListener('abort', done);
    if (signals.some(({ aborted }) => aborted)) done();
  });
}

function toStats(stats: Stats, { version, backend, startedAt }: StatsSource): ProtoStats {
  const { connections, cpu, residentBytes, heapBytes, eventLoopDelay, methods, hottest, health, work } = stats;
  return {
    takenAt: toTimestamp(stats.takenAt),
    elapsed: toDuration(stats.elapsed),
    server: {
      ...{ version, backend, startedAt: toTimestamp(startedAt), connections, cpu, residentBytes, heapBytes },
      eventLoopDelay: toDuration(eventLoopDelay),
    },
    methods: methods.map(({ method, calls, failed, inFlight, median, p99 }) => {
      return { method: pathOf(method), calls, failed, inFlight, median: optional(median), p99: optional(p99) };
    }),
    hottest: hottest.map(({ key, writes, reads, watchers }) => {
      return { contextId: key, writesPerSecond: writes, readsPerSecond: reads, watchers };
    }),
    watches: stats.watches,
    store: {
      ...{ serving: health.serving, readOnly: health.readOnly, detail: health.detail ?? '' },
      ...{ waiting: work?.waiting ?? 0, commits: work?.commits ?? 0, writes: work?.writes ?? 0 },
      ...{ median: optional(work?.median), p99: optional(work?.p99) },
    },
    cache: stats.cache,
  };
}

function optional(ms: number | undefined) {
  return ms === undefined ? undefined : toDuration(ms);
}

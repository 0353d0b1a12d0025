/** Statistics of a server for each interval, for AdminService.WatchStats. Without an open stream they cost nothing. */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Histogram } from '../model/histogram.js';
import { residentBytes } from '../model/resident-memory.js';
import type { StoreHealth } from '../store/store.js';
import type { MethodCalls, MethodName } from './calls.js';
import { type Counted, HotKeys } from './hot-keys.js';
import type { MetricSources } from './metrics.js';

/** Counts are of one interval, all other values as of its end. Times in milliseconds. */
export interface Stats {
  readonly takenAt: number;
  readonly elapsed: number;
  readonly connections: number;
  /** Number of cores in use. */
  readonly cpu: number;
  readonly residentBytes: number;
  readonly heapBytes: number;
  readonly eventLoopDelay: number;
  readonly methods: readonly MethodStats[];
  readonly hottest: readonly (Counted & { readonly watchers: number })[];
  readonly watches: Counts<'streams' | 'targets' | 'deltas' | 'merged' | 'documents' | 'bytes'>;
  readonly health: StoreHealth;
  /** Absent for a store without statistics. */
  readonly work: StoreStats | undefined;
  readonly cache: Counts<'contexts' | 'bytes' | 'hits' | 'misses' | 'evicted'>;
}

export interface MethodStats extends Partial<Quantiles> {
  readonly method: MethodName;
  readonly calls: number;
  readonly failed: number;
  readonly inFlight: number;
}

export interface StoreStats extends Quantiles {
  readonly waiting: number;
  readonly commits: number;
  readonly writes: number;
}

interface Quantiles {
  readonly median: number;
  readonly p99: number;
}

type Counts<K extends string> = Readonly<Record<K, number>>;

const HOTTEST_MAX = 20;
/** Sampling interval of the event-loop delay, in milliseconds; measured delays include it. */
const LOOP_RESOLUTION = 10;

/** The statistics of one stream. */
export class StatsView {
  readonly #heat = new HotKeys();
  readonly #loop: IntervalHistogram = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION });
  #before: ReturnType<typeof totals>;

  /** @param sources read for each sample: some of what they give is a number of that moment */
  constructor(private readonly sources: () => MetricSources) {
    const now = sources();
    now.calls.heats.add(this.#heat);
    this.#loop.enable();
    this.#before = totals(now);
  }

  close(): void {
    this.sources().calls.heats.delete(this.#heat);
    this.#loop.disable();
  }

  /** Statistics since the last call. */
  take(): Stats {
    const sources = this.sources();
    const { contexts, hub, store, connections, streams, workers } = sources;
    const [before, now] = [this.#before, totals(sources)];
    this.#before = now;
    const elapsed = now.at - before.at;
    const eventLoopDelay = Math.max(0, this.#loop.percentile(99) / 1e6 - LOOP_RESOLUTION);
    this.#loop.reset();
    const seconds = elapsed / 1000;
    return {
      takenAt: Date.now(),
      elapsed,
      connections: connections.open,
      cpu: (now.cpu - before.cpu) / 1000 / elapsed,
      residentBytes: residentBytes() + (workers?.residentBytes ?? 0),
      heapBytes: getHeapStatistics().used_heap_size,
      eventLoopDelay,
      methods: now.methods.map((method, index) => methodStats(method, before.methods[index])),
      hottest: this.#heat.take(HOTTEST_MAX).map(({ key, writes, reads }) => {
        return { key, writes: writes / seconds, reads: reads / seconds, watchers: hub.watchersOf(key) };
      }),
      watches: { streams, targets: hub.watched, ...difference(now.deliveries, before.deliveries) },
      health: store.health(),
      work: now.commits && before.commits && storeStats(now, before, store.work?.waiting ?? 0),
      cache: { ...contexts.cache, ...difference(now.cache, before.cache) },
    };
  }
}

/** All counts since the start. */
function totals({ calls, deliveries, contexts, store, workers }: MetricSources) {
  const { deltas, merged, bytes, documents } = deliveries;
  const { hits, misses, evicted } = contexts.cache;
  const { user, system } = process.cpuUsage();
  return {
    at: performance.now(),
    cpu: user + system + (workers?.cpu ?? 0) * 1e6,
    methods: calls.all().map(methodTotals),
    deliveries: { deltas, merged, bytes, documents: Object.values(documents).reduce(add, 0) },
    cache: { hits, misses, evicted },
    commits: store.work?.commitSeconds.copy(),
    groups: store.work?.groupSizes?.copy(),
  };
}

type Totals = ReturnType<typeof totals>;
type MethodTotals = ReturnType<typeof methodTotals>;

function methodTotals({ method, inFlight, byCode, seconds }: MethodCalls) {
  const calls = byCode.reduce(add, 0);
  return { method, inFlight, calls, failed: calls - byCode[0]!, seconds: seconds.copy() };
}

/** Methods are in the order of their first calls: the earlier methods are the first ones of the present list. */
function methodStats(now: MethodTotals, before: MethodTotals | undefined): MethodStats {
  const { method, inFlight } = now;
  const seconds = before ? now.seconds.since(before.seconds) : now.seconds;
  return {
    ...{ method, inFlight, calls: now.calls - (before?.calls ?? 0), failed: now.failed - (before?.failed ?? 0) },
    ...(seconds.count > 0 && quantiles(seconds)),
  };
}

function storeStats(now: Totals, before: Totals, waiting: number): StoreStats {
  const commits = now.commits!.since(before.commits!);
  const groups = now.groups && before.groups && now.groups.since(before.groups);
  return { waiting, commits: commits.count, writes: groups?.sum ?? commits.count, ...quantiles(commits) };
}

function quantiles(seconds: Histogram): Quantiles {
  return { median: seconds.quantile(0.5) * 1000, p99: seconds.quantile(0.99) * 1000 };
}

function difference<K extends string>(now: Counts<K>, before: Counts<K>): Counts<K> {
  const keys = Object.keys(now) as K[];
  return Object.fromEntries(keys.map((key) => [key, now[key] - before[key]])) as Counts<K>;
}

function add(a: number, b: number): number {
  return a + b;
}

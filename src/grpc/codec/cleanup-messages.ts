/**
 * Converts the messages of cleanup to the types of the sweeper, and back. Throws INVALID_ARGUMENT that names the field.
 */

import type { CleanupOptions } from '../../cleanup/policy.js';
import type { Counts, Item } from '../../cleanup/sweep.js';
import type { CleanupResult, CleanupStatus, RunOptions } from '../../cleanup/sweeper.js';
import { checkPrefix } from '../../contexts/validation.js';
import * as proto from '../../gen/chord/v1/cleanup_service.js';
import type { Duration } from '../../gen/google/protobuf/duration.js';
import { invalid } from '../../model/errors.js';
import { formatTiers, parseTiers, type Tier, tiersProblem } from '../../model/tiers.js';
import { fromDuration, toDuration, toTimestamp } from './times.js';

const DAY = 86_400_000;
const YEAR = 365 * DAY;

const REASONS: Readonly<Record<Item['reason'], proto.CleanupReason>> = {
  expired: proto.CleanupReason.EXPIRED,
  idle: proto.CleanupReason.IDLE,
  trimmed: proto.CleanupReason.TRIMMED,
};

export function fromRun({ limit, dryRun, prefix, options }: proto.RunCleanupRequest): RunOptions {
  checkPrefix(prefix);
  return { limit: limit || undefined, dryRun, prefix, options: fromOptions(options) };
}

export function fromInterval(interval: Duration | undefined): number | undefined {
  return between('interval', fromDuration(interval, 'interval'), YEAR);
}

/** Only the options that the message has. */
export function fromOptions(options: proto.CleanupOptions | undefined): Partial<CleanupOptions> {
  if (!options) return {};
  const { contextAutoDelete, deltaThreshold } = options;
  if (deltaThreshold === 0) throw invalid('options.delta_threshold', 'must be at least 1');
  const ttl = (field: string, duration: Duration | undefined) =>
    between(`options.${field}`, fromDuration(duration, `options.${field}`), 100 * YEAR);
  const given = {
    contextAutoDelete,
    contextTtl: ttl('context_ttl', options.contextTtl),
    deltaTtl: ttl('delta_ttl', options.deltaTtl),
    deltaThreshold,
    requestTtl: ttl('request_ttl', options.requestTtl),
    deltaRetention: options.deltaRetention === undefined ? undefined : tiersOf(options.deltaRetention),
  };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

export function toResult(result: CleanupResult): proto.CleanupResult {
  const { startedAt, finishedAt, dryRun, items, more, forgotten } = result;
  return {
    startedAt: toTimestamp(startedAt),
    finishedAt: toTimestamp(finishedAt),
    dryRun,
    counts: toCounts(result, forgotten),
    contexts: items.map(({ id, reason, deltas }) => ({ contextId: id, reason: REASONS[reason], deltas })),
    more,
  };
}

export function toCleanupStatus({
  running,
  interval,
  options,
  overridden,
  nextRunAt,
  last,
  totals,
}: CleanupStatus): proto.CleanupStatus {
  return {
    running,
    interval: toDuration(interval),
    options: {
      contextAutoDelete: options.contextAutoDelete,
      contextTtl: toDuration(options.contextTtl),
      deltaTtl: toDuration(options.deltaTtl),
      deltaThreshold: options.deltaThreshold,
      requestTtl: toDuration(options.requestTtl),
      deltaRetention: formatTiers(options.deltaRetention ?? []),
    },
    nextRunAt: nextRunAt === undefined ? undefined : toTimestamp(nextRunAt),
    lastRun: last && { ...toResult(last), contexts: [] },
    totals: toCounts(totals, totals.forgotten),
    runs: totals.runs,
    overridden,
  };
}

function toCounts({ expired, idle, trimmed, deltas, failed }: Counts, forgotten: number): proto.CleanupCounts {
  return {
    contextsExpired: expired,
    contextsIdle: idle,
    contextsTrimmed: trimmed,
    deltas,
    requestIds: forgotten,
    failed,
  };
}

function tiersOf(text: string): readonly Tier[] {
  const field = 'options.delta_retention';
  const tiers = parseTiers(text);
  if (!tiers) throw invalid(field, 'must be tiers like 1h:all,1d:1m,90d:1h, or none');
  const problem = tiersProblem(tiers);
  if (problem) throw invalid(field, problem);
  return tiers;
}

function between(field: string, ms: number | undefined, max: number): number | undefined {
  if (ms !== undefined && !(ms >= 1000 && ms <= max)) {
    throw invalid(field, `must be between 1 s and ${max / DAY} days`);
  }
  return ms;
}

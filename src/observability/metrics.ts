/** All metrics by name; docs/metrics.md describes each. Values are read when the metrics are requested. */
import type { Sweeper } from '../cleanup/sweeper.js';
import type { ContextService } from '../contexts/service.js';
import type { Histogram } from '../model/histogram.js';
import type { Store } from '../store/store.js';
import type { Transfer } from '../transfer/transfer.js';
import type { Hub } from '../watch/hub.js';
import type { AuditLog } from './audit.js';
import { type Calls, CODES } from './calls.js';
import type { Connections } from './connections.js';
import type { Deliveries } from './deliveries.js';
import type { Family, Labels } from './exposition.js';

/** All sources of counts. */
export interface MetricSources {
  readonly contexts: ContextService;
  readonly hub: Hub;
  readonly cleanup: Sweeper;
  readonly transfer: Transfer;
  readonly store: Store;
  readonly calls: Calls;
  readonly connections: Connections;
  readonly deliveries: Deliveries;
  readonly audit: AuditLog | undefined;
  /** Open watch streams. */
  readonly streams: number;
  /** When the current certificate expires, in milliseconds since 1970; undefined: no TLS. */
  readonly certificateEnd: number | undefined;
  /** Number of calls refused by load shedding. */
  readonly shed: number;
  /** Whether the event loop has been late for long. */
  readonly late: boolean;
  /** Undefined: one process serves all. */
  readonly workers: WorkersUsage | undefined;
}

/** What the worker processes of a server use together. */
export interface WorkersUsage {
  readonly running: number;
  readonly restarts: number;
  /** Seconds of processor time, of those that have ended too. */
  readonly cpu: number;
  readonly residentBytes: number;
}

type Value = readonly [Labels, number | Histogram];

export function families(sources: MetricSources): Family[] {
  return [
    ...ofCalls(sources),
    ...ofWorkers(sources),
    ...ofWatches(sources),
    ...ofStore(sources),
    ...ofCleanup(sources),
  ];
}

function ofCalls({ calls, connections, certificateEnd, audit, shed }: MetricSources): Family[] {
  const methods = calls.all().map((each) => {
    const { service, name } = each.method;
    return { ...each, labels: { service, method: name } };
  });
  const over = methods.flatMap(({ labels, byCode }) =>
    coded(byCode).map(([code, count]): Value => [{ ...labels, ...code }, count]),
  );
  const unary = methods.filter(({ seconds }) => seconds.count > 0);
  return [
    counter('chord_calls_total', 'Calls that are over, streams included.', over),
    counter('chord_calls_refused_total', 'Calls that never came to their handler.', coded(calls.refused)),
    counter('chord_calls_shed_total', 'Calls refused since the server was overloaded; in no other count.', shed),
    gauge(
      'chord_calls_in_flight',
      'Calls under way, streams included.',
      methods.map(({ labels, inFlight }) => [labels, inFlight]),
    ),
    {
      ...{
        name: 'chord_call_duration_seconds',
        type: 'histogram',
        help: 'How long calls took; streams are no part of it.',
      },
      values: unary.map(({ labels, seconds }) => [labels, seconds]),
    },
    counter('chord_connections_total', 'Connections that were made to the server.', connections.made),
    gauge('chord_connections', 'Connections that are open.', connections.open),
    counter('chord_connections_refused_total', 'Connections on which TLS did not come about.', connections.refused),
    ...(certificateEnd === undefined
      ? []
      : [
          gauge('chord_certificate_end_seconds', 'When the TLS certificate ends, as Unix time.', certificateEnd / 1000),
        ]),
    ...(audit ? [gauge('chord_audit_writable', '1: the audit log can be written.', Number(audit.writable))] : []),
  ];
}

function ofWorkers({ workers }: MetricSources): Family[] {
  const { running, restarts, cpu, residentBytes } = workers ?? { running: 0, restarts: 0, cpu: 0, residentBytes: 0 };
  return [
    gauge('chord_workers', 'Worker processes that serve connections.', running),
    counter('chord_worker_restarts_total', 'Workers that were started again.', restarts),
    counter('chord_worker_cpu_seconds_total', 'Processor time of all workers.', cpu),
    gauge('chord_worker_resident_bytes', 'Resident memory of all workers.', residentBytes),
  ];
}

function ofWatches({ streams, hub, deliveries }: MetricSources): Family[] {
  const { deltas, merged, versionsMerged, bytes, documents, signs } = deliveries;
  const full = Object.values(documents).reduce((sum, count) => sum + count, 0);
  return [
    gauge('chord_watch_streams', 'Watch streams that are open.', streams),
    gauge('chord_watch_targets', 'Context ids and prefixes with at least one watcher.', hub.watched),
    counter(
      'chord_watch_messages_total',
      'What watch streams were sent; merged: a delta of several versions.',
      by('kind', { delta: deltas, merged, full, ...signs }),
    ),
    counter('chord_watch_merged_versions_total', 'Versions that merged deltas have saved.', versionsMerged),
    counter('chord_watch_documents_total', 'Whole documents sent, by why no delta would do.', by('reason', documents)),
    counter('chord_watch_bytes_total', 'Bytes of messages to watch streams.', bytes),
  ];
}

function ofStore({ store, contexts }: MetricSources): Family[] {
  const { serving, readOnly } = store.health();
  const { contexts: cached, bytes, hits, misses, evicted } = contexts.cache;
  const work = store.work;
  return [
    gauge('chord_store_serving', '1: the store answers.', Number(serving)),
    gauge('chord_store_read_only', '1: the store refuses writes, since its disk is nearly full.', Number(readOnly)),
    ...(work
      ? [
          gauge('chord_store_writes_waiting', 'Writes that are handed to the store and not durable yet.', work.waiting),
          distribution(
            'chord_store_commit_duration_seconds',
            'How long the store took to make writes durable: a transaction with its sync, or a round trip.',
            work.commitSeconds,
          ),
        ]
      : []),
    ...(work?.groupSizes
      ? [distribution('chord_store_commit_writes', 'Writes that shared one transaction.', work.groupSizes)]
      : []),
    gauge('chord_cache_contexts', 'Contexts that are kept decoded in memory.', cached),
    gauge('chord_cache_bytes', 'Memory that they take, about.', bytes),
    counter('chord_cache_lookups_total', 'Whether a context was in memory.', by('result', { hit: hits, miss: misses })),
    counter('chord_cache_evictions_total', 'Contexts that had to leave memory for others.', evicted),
  ];
}

function ofCleanup({ cleanup, transfer }: MetricSources): Family[] {
  const { running, last, totals } = cleanup.status();
  const { runs, expired, idle, deltas, forgotten, failed } = totals;
  const transfers = Object.entries(transfer.counts).flatMap(([operation, results]) =>
    by('result', results).map(([label, count]): Value => [{ operation, ...label }, count]),
  );
  return [
    gauge('chord_cleanup_started', '1: this server sweeps at intervals.', Number(running)),
    counter('chord_cleanup_runs_total', 'Sweeps.', runs),
    counter('chord_cleanup_contexts_removed_total', 'Contexts that were removed.', by('reason', { expired, idle })),
    counter(
      'chord_cleanup_deltas_removed_total',
      'Deltas that were removed, those of removed contexts included.',
      deltas,
    ),
    counter('chord_cleanup_requests_forgotten_total', 'Request ids that are no longer remembered.', forgotten),
    counter('chord_cleanup_failures_total', 'Contexts that a sweep could not clean up.', failed),
    ...(last
      ? [
          gauge('chord_cleanup_last_run_timestamp_seconds', 'When the last sweep ended.', last.finishedAt / 1000),
          gauge(
            'chord_cleanup_last_run_duration_seconds',
            'How long the last sweep took.',
            (last.finishedAt - last.startedAt) / 1000,
          ),
        ]
      : []),
    counter('chord_transfers_total', 'Contexts that were exported or restored, or could not be.', transfers),
  ];
}

function counter(name: string, help: string, values: number | readonly Value[]): Family {
  return { name, type: 'counter', help, values: listed(values) };
}

function gauge(name: string, help: string, values: number | readonly Value[]): Family {
  return { name, type: 'gauge', help, values: listed(values) };
}

function distribution(name: string, help: string, histogram: Histogram): Family {
  return { name, type: 'histogram', help, values: [[{}, histogram]] };
}

function listed(values: number | readonly Value[]): readonly Value[] {
  return typeof values === 'number' ? [[{}, values]] : values;
}

/** Counts by the values of one label. */
function by(label: string, counts: Readonly<Record<string, number>>): Value[] {
  return Object.entries(counts).map(([value, count]) => [{ [label]: value }, count]);
}

/** Counts of the status codes that occurred. */
function coded(counts: Float64Array): (readonly [Labels, number])[] {
  return [...counts].flatMap((count, code) =>
    count > 0 ? [[{ code: CODES[code] ?? `${code}` }, count] as const] : [],
  );
}

/** Formats one message of WatchStats for `top`. */
import type { MethodStats, Stats } from '../../gen/chord/v1/stats.js';
import type { Duration } from '../../gen/google/protobuf/duration.js';
import { formatId, isoTime } from './format.js';
import { renderTable, type StyledText } from './styled-text.js';
import { cut, widthOf } from './width.js';

/** Of the names before the lines of the summary. */
const NAME_COLUMNS = 9;

/** As JSON: counts of the interval, times in milliseconds. These forms are stable. */
export function statsForm({ takenAt, elapsed, server, methods, hottest, watches, store, cache }: Stats) {
  return {
    takenAt: isoTime(takenAt),
    elapsedMs: milliseconds(elapsed),
    server: server && {
      ...{ version: server.version, backend: server.backend, startedAt: isoTime(server.startedAt) },
      ...{ connections: server.connections, cpu: rounded(server.cpu) },
      ...{ residentBytes: server.residentBytes, heapBytes: server.heapBytes },
      eventLoopDelayMs: milliseconds(server.eventLoopDelay),
    },
    methods: methods.map(({ median, p99, ...counts }) => ({ ...counts, ...quantilesForm(median, p99) })),
    hottest: hottest.map(({ contextId, writesPerSecond, readsPerSecond, watchers }) => {
      return {
        contextId,
        writesPerSecond: rounded(writesPerSecond),
        readsPerSecond: rounded(readsPerSecond),
        watchers,
      };
    }),
    watches,
    store: store && {
      ...{ serving: store.serving, readOnly: store.readOnly, detail: store.detail || undefined },
      ...{ waiting: store.waiting, commits: store.commits, writes: store.writes },
      ...quantilesForm(store.median, store.p99),
    },
    cache,
  };
}

function quantilesForm(median: Duration | undefined, p99: Duration | undefined) {
  return { medianMs: milliseconds(median), p99Ms: milliseconds(p99) };
}

/** Busy methods and contexts first. At most `rows` lines, of at most `columns` columns: no number is cut, names are. */
export function statsLines(
  stats: Stats,
  address: string,
  rows = Number.POSITIVE_INFINITY,
  columns = Number.POSITIVE_INFINITY,
): StyledText[] {
  const head = summary(stats, address, columns);
  const methods = methodTable(stats, columns);
  const hottest = contextTable(stats, columns);
  const room = Math.max(0, rows - head.length - 2);
  // Methods get the rows that contexts leave, and at least half.
  const forMethods = Math.min(methods.length, Math.max(Math.ceil(room / 2), room - hottest.length));
  return [...head, [], ...methods.slice(0, forMethods), [], ...hottest.slice(0, Math.max(0, room - forMethods))].slice(
    0,
    rows,
  ) as StyledText[];
}

function summary(stats: Stats, address: string, columns: number): StyledText[] {
  const line = (name: string, ...items: readonly string[]) => wrapped(name, items, columns);
  const { server, methods, watches, store, cache } = stats;
  const rate = (count = 0) => perSecond(count, stats);
  const calls = methods.reduce((sum, method) => sum + method.calls, 0);
  const failed = methods.reduce((sum, method) => sum + method.failed, 0);
  const up = server?.startedAt && span(Number(stats.takenAt?.seconds) - Number(server.startedAt.seconds));
  const lookups = (cache?.hits ?? 0) + (cache?.misses ?? 0);
  const state: StyledText[number] = !store?.serving
    ? ['red', store?.detail || 'the store is away']
    : store.readOnly
      ? ['yellow', 'read-only: the disk is nearly full']
      : ['green', 'serving'];
  return [
    [['cyan', 'chord '], ['plain', `${server?.version}  ${address}  ${server?.backend}  up ${up}  `], state],
    ...line(
      'process',
      `${percent(server?.cpu ?? 0)} cpu`,
      `${size(server?.residentBytes)} memory`,
      `${size(server?.heapBytes)} heap`,
      `${ms(server?.eventLoopDelay)} event loop`,
      `${server?.connections} connections`,
    ),
    ...line('calls', `${rate(calls)}/s`, `${percent(calls ? failed / calls : 0)} not OK`),
    ...line(
      'watches',
      `${watches?.streams} streams`,
      `${watches?.targets} watched`,
      `${rate(watches?.deltas)} deltas/s`,
      `${rate(watches?.merged)} merged/s`,
      `${rate(watches?.documents)} documents/s`,
      `${size((watches?.bytes ?? 0) / seconds(stats))}/s`,
    ),
    ...line(
      'store',
      `${rate(store?.commits)} commits/s`,
      `${rate(store?.writes)} writes/s`,
      `${ms(store?.median)} median`,
      `${ms(store?.p99)} p99`,
      `${store?.waiting} waiting`,
    ),
    ...line(
      'cache',
      `${cache?.contexts} contexts`,
      `${size(cache?.bytes)}`,
      `${percent(lookups ? (cache?.hits ?? 0) / lookups : 1)} hits`,
      `${rate(cache?.evicted)} evicted/s`,
    ),
  ];
}

/** The items in as many lines as they need, the first two in columns. */
function wrapped(name: string, items: readonly string[], columns: number): StyledText[] {
  const lines: string[] = [];
  for (const [i, item] of items.entries()) {
    const cell = i < 2 && items.length > 2 ? item.padEnd(16) : item;
    const longer = `${lines.at(-1)}  ${cell}`;
    if (i > 0 && NAME_COLUMNS + longer.trimEnd().length <= columns) lines[lines.length - 1] = longer;
    else lines.push(cell);
  }
  return lines.map((text, i) => [
    ['dim', (i === 0 ? name : '').padEnd(NAME_COLUMNS)],
    ['plain', text.trimEnd()],
  ]);
}

function methodTable(stats: Stats, columns: number): StyledText[] {
  const busiest = [...stats.methods].sort((a, b) => b.calls - a.calls || b.inFlight - a.inFlight);
  const rows = busiest.map((method: MethodStats) => [
    method.method.replace(/^chord\.v1\./, ''),
    perSecond(method.calls, stats),
    perSecond(method.failed, stats),
    `${method.inFlight}`,
    ms(method.median),
    ms(method.p99),
  ]);
  return numbersRight(['METHOD', 'CALLS/S', 'NOT OK/S', 'IN FLIGHT', 'MEDIAN', 'P99'], rows, columns);
}

function contextTable({ hottest }: Stats, columns: number): StyledText[] {
  const rows = hottest.map(({ contextId, writesPerSecond, readsPerSecond, watchers }) => {
    return [formatId(contextId), short(writesPerSecond), short(readsPerSecond), `${watchers}`];
  });
  return numbersRight(['CONTEXT', 'WRITES/S', 'READS/S', 'WATCHERS'], rows, columns);
}

/** All columns but the first stand right, and leave it the rest of the line. */
function numbersRight(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
  columns: number,
): StyledText[] {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => widthOf(row[i]!))));
  const room = widths.slice(1).reduce((rest, width) => rest - width - 2, columns);
  const aligned = (row: readonly string[]) =>
    row.map((cell, i) => (i === 0 ? cut(cell, Math.max(1, room)) : cell.padStart(widths[i]!)));
  return renderTable(aligned(headings), rows.map(aligned));
}

function perSecond(count: number, stats: Stats): string {
  return short(count / seconds(stats));
}

function seconds({ elapsed }: Stats): number {
  return (milliseconds(elapsed) ?? 0) / 1000 || 1;
}

function milliseconds(duration: Duration | undefined): number | undefined {
  return duration && rounded(duration.seconds * 1000 + duration.nanos / 1e6);
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** A number with at most one decimal: 1,234, 12.3, 0.5. */
function short(value: number): string {
  return value.toLocaleString('en', { maximumFractionDigits: value < 100 ? 1 : 0 });
}

function ms(duration: Duration | undefined): string {
  const value = milliseconds(duration);
  return value === undefined ? '-' : `${value < 10 ? value.toFixed(2) : short(value)} ms`;
}

function percent(share: number): string {
  return `${short(share * 100)}%`;
}

function size(bytes = 0): string {
  const exponent = Math.min(4, Math.max(0, Math.floor(Math.log2(bytes || 1) / 10)));
  return `${short(bytes / 2 ** (10 * exponent))} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][exponent]}`;
}

/** A duration in at most two units: 3 d 4 h. */
function span(total: number): string {
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['m', 60],
    ['s', 1],
  ] as const;
  const first = units.findIndex(([, length]) => total >= length);
  if (first < 0) return '0 s';
  return units
    .slice(first, first + 2)
    .map(([unit, length], i) => `${Math.floor(i === 0 ? total / length : (total % units[first]![1]) / length)} ${unit}`)
    .join(' ');
}

/** `cleanup run`, `start`, `stop`, `update`, `status`. */
import type { Command } from 'commander';
import {
  type CleanupCounts,
  type CleanupOptions,
  CleanupReason,
  type CleanupResult,
  type CleanupStatus,
} from '../../gen/chord/v1/cleanup_service.js';
import type { Duration } from '../../gen/google/protobuf/duration.js';
import { formatDuration } from '../../model/units.js';
import type { Session } from '../client/client.js';
import type { CommandContext } from '../command.js';
import { option } from '../input/option.js';
import { parseCount, parseFlag, parseTtl } from '../input/parse.js';
import { formatId, isoTime } from '../output/format.js';
import { renderTable, type StyledText } from '../output/styled-text.js';

const HELP = `
Options that are not given keep the server's settings (chord serve --help). Options of run apply to that run; options of
start and update win over the configuration until the server stops; on Redis they hold for all servers of the store, and
stay, until update --reset. Durations are written 500ms, 15s or 6h.

Examples:
  chord cleanup run --dry-run
  chord cleanup run --prefix room: --delta-ttl 1h --limit 1000
  chord cleanup start --interval 10m --context-auto-delete true
  chord cleanup status --json
`;

type Rules = { [K in keyof CleanupOptions]?: NonNullable<CleanupOptions[K]> };

interface CleanupRunFlags extends Rules {
  readonly limit?: number;
  readonly dryRun?: boolean;
  readonly prefix?: string;
}

interface TuneFlags extends Rules {
  readonly interval?: Duration;
}

interface UpdateFlags extends TuneFlags {
  readonly reset?: boolean;
}

export function define(program: Command, { connected }: CommandContext): void {
  const cleanup = program
    .command('cleanup')
    .description('remove old deltas, and unused contexts: run, start, stop, update, status')
    .addHelpText('after', HELP);
  withRules(cleanup.command('run').description('run cleanup once, now'))
    .option('--dry-run', 'only print what would be removed')
    .addOption(option('--limit <n>', 'maximum number of contexts', parseCount))
    .option('--prefix <prefix>', 'only contexts under this prefix')
    .action((flags: CleanupRunFlags) => connected((session) => run(session, flags)));
  withRules(cleanup.command('start').description('start periodic cleanup'))
    .addOption(intervalOption())
    .action((flags: TuneFlags) => connected((session) => start(session, flags)));
  withRules(cleanup.command('update').description('change interval or options'))
    .addOption(intervalOption())
    .option('--reset', 'first return to the configuration')
    .action((flags: UpdateFlags) => connected((session) => update(session, flags)));
  cleanup
    .command('stop')
    .description('stop periodic cleanup')
    .action(() => connected(stop));
  cleanup
    .command('status')
    .description('show the configuration of cleanup and its counts')
    .action(() => connected(status));
}

function withRules(command: Command): Command {
  return command
    .addOption(option('--context-auto-delete <true|false>', 'remove unused contexts', parseFlag))
    .addOption(option('--context-ttl <duration>', 'time to live of contexts after the last write or touch', parseTtl))
    .addOption(option('--delta-ttl <duration>', 'how long deltas are kept', parseTtl))
    .addOption(option('--delta-threshold <n>', 'how many deltas of a context are kept', parseCount))
    .option('--delta-retention <tiers>', 'in place of both: tiers, as 1h:all,1d:1m,90d:1h; or none')
    .addOption(option('--request-ttl <duration>', 'how long request ids are kept', parseTtl));
}

const intervalOption = () => option('--interval <duration>', 'how often', parseTtl);

async function run(session: Session, { limit = 0, dryRun = false, prefix = '', ...rules }: CleanupRunFlags) {
  const request = { limit, dryRun, prefix, options: optionsOf(rules) };
  const { result } = await session.call('runCleanup', request);
  if (result) await session.out.print(resultForm(result), () => resultLines(result));
}

async function start(session: Session, { interval, ...rules }: TuneFlags): Promise<void> {
  const { status } = await session.call('startCleanup', { interval, options: optionsOf(rules) });
  await print(session, status);
}

async function update(session: Session, { interval, reset = false, ...rules }: UpdateFlags): Promise<void> {
  const { status } = await session.call('updateCleanup', { interval, options: optionsOf(rules), reset });
  await print(session, status);
}

async function stop(session: Session): Promise<void> {
  await print(session, (await session.call('stopCleanup', {})).status);
}

async function status(session: Session): Promise<void> {
  await print(session, (await session.call('getCleanup', {})).status);
}

function optionsOf(rules: Rules): CleanupOptions {
  const { contextAutoDelete, contextTtl, deltaTtl, deltaThreshold, deltaRetention, requestTtl } = rules;
  return { contextAutoDelete, contextTtl, deltaTtl, deltaThreshold, deltaRetention, requestTtl };
}

async function print({ out }: Session, status: CleanupStatus | undefined): Promise<void> {
  if (status) await out.print(statusForm(status), () => statusLines(status));
}

function resultForm({ startedAt, finishedAt, dryRun, counts, contexts, more }: CleanupResult) {
  return {
    startedAt: isoTime(startedAt),
    finishedAt: isoTime(finishedAt),
    dryRun,
    ...counts,
    more,
    contexts: contexts.map(({ contextId, reason, deltas }) => ({ contextId, reason: CleanupReason[reason], deltas })),
  };
}

function statusForm({ running, interval, options, overridden, nextRunAt, lastRun, totals, runs }: CleanupStatus) {
  const { contexts: _, ...last } = lastRun ? resultForm(lastRun) : { contexts: undefined };
  return {
    running,
    interval: duration(interval),
    options: options && optionsForm(options),
    overridden,
    nextRunAt: isoTime(nextRunAt),
    lastRun: lastRun && last,
    totals: { runs, ...totals },
  };
}

function optionsForm(options: CleanupOptions) {
  return {
    contextAutoDelete: options.contextAutoDelete,
    contextTtl: duration(options.contextTtl),
    deltaTtl: duration(options.deltaTtl),
    deltaThreshold: options.deltaThreshold,
    deltaRetention: options.deltaRetention,
    requestTtl: duration(options.requestTtl),
  };
}

function resultLines({ dryRun, counts, contexts, more }: CleanupResult): StyledText[] {
  const rows = contexts.map(({ contextId, reason, deltas }) => [
    formatId(contextId),
    (CleanupReason[reason] ?? 'UNKNOWN').toLowerCase(),
    String(deltas),
  ]);
  const table = rows.length > 0 ? renderTable(['ID', 'REASON', 'DELTAS'], rows) : [];
  const rest = counts ? contextsIn(counts) - rows.length : 0;
  return [
    ...table,
    ...(rest > 0 ? [plain(`... and ${rest} more contexts`)] : []),
    plain(`${dryRun ? 'would remove' : 'removed'} ${countsText(counts)}`),
    ...(more ? [plain('more is due: run it again')] : []),
  ];
}

function statusLines(status: CleanupStatus): StyledText[] {
  const { running, interval, options, overridden, nextRunAt, lastRun, totals, runs } = status;
  const rules = options ? Object.entries(optionsForm(options)).map(([name, value]) => `${name} ${value}`) : [];
  const since = lastRun && `${isoTime(lastRun.startedAt)}: ${countsText(lastRun.counts)}`;
  return [
    plain(running ? `started, every ${duration(interval)}, next at ${isoTime(nextRunAt)}` : 'not started'),
    plain(`options   ${rules.join(', ')}`),
    ...(overridden ? [plain('set by calls; `chord cleanup update --reset` returns to the configuration')] : []),
    plain(`last run  ${since ?? 'none'}${lastRun?.more ? ', and more is due' : ''}`),
    plain(`${runs === 1 ? '1 run,  ' : `${runs} runs,`} all in all: ${countsText(totals)}`),
  ];
}

/** `2 contexts (1 expired, 1 idle), 30 deltas, 4 request ids` */
function countsText(counts: CleanupCounts | undefined): string {
  if (!counts) return 'nothing';
  const { contextsExpired, contextsIdle, contextsTrimmed, deltas, requestIds, failed } = counts;
  const many = (count: number, what: string) => `${count} ${what}${count === 1 ? '' : 's'}`;
  return [
    `${many(contextsExpired + contextsIdle, 'context')} (${contextsExpired} expired, ${contextsIdle} idle)`,
    many(deltas, 'delta') + (contextsTrimmed > 0 ? ` (${many(contextsTrimmed, 'other context')} trimmed)` : ''),
    many(requestIds, 'request id'),
    ...(failed > 0 ? [`failed for ${many(failed, 'context')}, see the server's log`] : []),
  ].join(', ');
}

function contextsIn({ contextsExpired, contextsIdle, contextsTrimmed }: CleanupCounts): number {
  return contextsExpired + contextsIdle + contextsTrimmed;
}

function duration(value: Duration | undefined): string | undefined {
  return value && formatDuration(value.seconds * 1000 + value.nanos / 1e6);
}

function plain(text: string): StyledText {
  return [['plain', text]];
}

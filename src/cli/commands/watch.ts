/** `watch`: prints changes, and reconnects with its last positions when the server goes away. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ClientReadableStream } from '@grpc/grpc-js';
import type { Command } from 'commander';
import type { Position } from '../../gen/chord/v1/model.js';
import type { Subscription, WatchContextsRequest, WatchContextsResponse } from '../../gen/chord/v1/sync_service.js';
import type { Duration } from '../../gen/google/protobuf/duration.js';
import type { Session } from '../client/client.js';
import { isServiceError } from '../client/errors.js';
import type { CommandContext } from '../command.js';
import { Usage } from '../errors.js';
import { option } from '../input/option.js';
import { formatOption, oldValuesOption, pathOption, TARGET_HELP } from '../input/options.js';
import { parseKnown, type parsePosition, parseTarget } from '../input/parse.js';
import { eventForm } from '../output/json.js';
import { renderEvent } from '../output/render.js';
import { interrupted } from '../signals.js';

const HELP = `
${TARGET_HELP}
Each line is one change: + added, ~ modified, - removed, = the whole document. On a terminal long lines
are cut, unless --full is given. When the server goes away, watch reconnects and continues from where it was.

What one batch has written is printed at once, or not at all; with --json all its objects but the last
have "more": true.

Examples:
  chord watch room:1 'user:*'
  chord watch '*' --json
  chord watch room:1 --path users.ann --format json_patch --json
  chord watch room:1 --known room:1=k3J9x0Qa:42:Zz81hT0e
`;

const BACKOFF_MIN_MS = 250;
const BACKOFF_MAX_MS = 15_000;

// gRPC codes. The library is loaded with the connection, not for `--help`.
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

interface WatchOptions {
  readonly targets: readonly ReturnType<typeof parseTarget>[];
  readonly known: ReadonlyMap<string, Position>;
  readonly oldValues: boolean;
  /** Format of deltas; empty: changes. */
  readonly format: string;
  /** Whether lines are whole on a terminal, too. */
  readonly full: boolean;
  /** The subtrees of interest; none: everything. */
  readonly paths: readonly string[][];
  /** Abort it to end the watch, which then resolves. */
  readonly signal: AbortSignal;
}

export function define(program: Command, { connected }: CommandContext): void {
  const known = new Map<string, ReturnType<typeof parsePosition>>();
  program
    .command('watch <target...>')
    .description('print every change as it happens, until Ctrl-C')
    .addOption(
      option('--known <id=position>', 'position that the client has; repeatable', (text) => {
        known.set(...parseKnown(text));
      }),
    )
    .addOption(oldValuesOption())
    .option('--full', 'do not cut lines to the width of the terminal')
    .addOption(formatOption())
    .addOption(pathOption())
    .addHelpText('after', HELP)
    .action((names: string[], options: { oldValues?: boolean; full?: boolean; format?: string; path?: string[][] }) =>
      connected(async (session) => {
        const { oldValues = false, full = false, format = '', path: paths = [] } = options;
        const targets = names.map(parseTarget);
        await watch(session, { targets, known, oldValues, full, format, paths, signal: interrupted() });
      }),
    );
}

/**
 * @throws ServiceError for every code but UNAVAILABLE; for UNAVAILABLE only before the first event. After
 * UNAUTHENTICATED, a token that was accepted before is read again from its file, which may hold a new one.
 */
async function watch(session: Session, options: WatchOptions): Promise<void> {
  const { targets, known, oldValues, full, format, signal } = options;
  const positions = new Map(known);
  const paths = options.paths.map((keys) => ({ keys }));
  const stray = [...known.keys()].find((id) => !targets.some((target) => covers(target, id)));
  if (stray !== undefined) throw new Usage(`--known names ${stray}, which is not watched`);
  const renewable = session.options.tokenFile !== undefined;
  let connectedOnce = false;
  for (let failures = 0; !signal.aborted; failures++) {
    const request: WatchContextsRequest = {
      subscriptions: targets.map((target) => ({ ...subscription(target, positions), paths })),
      includeOldValues: oldValues,
      heartbeatInterval: undefined,
      format,
    };
    let retryAfter = 0;
    let heard = false;
    // Events of one batch, until the last of them: should the stream end before, none was printed or counts as known.
    let batch: WatchContextsResponse[] = [];
    const stream = session.stream('watchContexts', request);
    try {
      for await (const response of events(stream, signal)) {
        if (failures > 0) session.out.note('connected again');
        failures = 0;
        connectedOnce = heard = true;
        if (response.event?.$case === 'closing') retryAfter = milliseconds(response.event.value.retryAfter);
        batch.push(response);
        if (response.more) continue;
        for (const each of batch) {
          track(positions, each);
          await show(session, each, full);
        }
        batch = [];
      }
    } catch (error) {
      if (signal.aborted) return;
      const code = isServiceError(error) ? error.code : undefined;
      const again = code === UNAVAILABLE ? connectedOnce : code === UNAUTHENTICATED && renewable && heard;
      if (!again) throw error;
    }
    await pause(session, Math.max(retryAfter, backoff(failures)), signal);
  }
}

/** Reads one event at a time: a slow reader of stdout slows the stream down, and the server merges deltas for it. */
async function* events(
  stream: ClientReadableStream<WatchContextsResponse>,
  signal: AbortSignal,
): AsyncGenerator<WatchContextsResponse> {
  const cancel = () => stream.cancel();
  signal.addEventListener('abort', cancel, { once: true });
  try {
    yield* stream;
  } finally {
    signal.removeEventListener('abort', cancel);
    stream.on('error', () => {}); // an error after the first error is of no interest
    stream.cancel();
  }
}

function subscription(
  target: WatchOptions['targets'][number],
  positions: ReadonlyMap<string, Position>,
): Omit<Subscription, 'paths'> {
  const $case = target.kind === 'id' ? 'contextId' : 'prefix';
  const known = [...positions].filter(([id]) => covers(target, id));
  return { target: { $case, value: target.name }, known: new Map(known) };
}

function covers({ kind, name }: WatchOptions['targets'][number], id: string): boolean {
  return kind === 'id' ? id === name : id.startsWith(name);
}

/** Updates `positions` to the client's positions after the event. */
function track(positions: Map<string, Position>, { event }: WatchContextsResponse): void {
  if (event?.$case === 'full' && event.value.context?.position) {
    positions.set(event.value.context.contextId, event.value.context.position);
  }
  if (event?.$case === 'delta' && event.value.to) positions.set(event.value.contextId, event.value.to);
  if (event?.$case === 'deleted' || event?.$case === 'absent') positions.delete(event.value.contextId);
}

async function show({ out }: Session, response: WatchContextsResponse, full: boolean): Promise<void> {
  if (response.event?.$case === 'caughtUp' && out.terminal) out.note('up to date; Ctrl-C ends');
  if (!out.json) return out.lines(renderEvent(response), full ? undefined : process.stdout.columns || undefined);
  const form = eventForm(response);
  if (form) await out.print(form, () => []);
}

/** Full jitter: the clients of a restarted server do not reconnect all at once. */
function backoff(failures: number): number {
  return BACKOFF_MIN_MS + Math.random() * Math.min(BACKOFF_MAX_MS, BACKOFF_MIN_MS * 2 ** failures);
}

async function pause({ out, options }: Session, ms: number, signal: AbortSignal): Promise<void> {
  out.note(`${options.address} went away; trying again in ${(ms / 1000).toFixed(1)} s`);
  await sleep(ms, undefined, { signal }).catch(() => {}); // rejects only when aborted, which the caller checks
}

function milliseconds(duration: Duration | undefined): number {
  return duration ? Number(duration.seconds) * 1000 + duration.nanos / 1e6 : 0;
}

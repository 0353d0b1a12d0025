/** `top`: shows live statistics of a server. */
import type { Command } from 'commander';
import type { Stats } from '../../gen/chord/v1/stats.js';
import type { Duration } from '../../gen/google/protobuf/duration.js';
import type { Session } from '../client/client.js';
import type { CommandContext } from '../command.js';
import { option } from '../input/option.js';
import { parseTtl } from '../input/parse.js';
import { paint } from '../output/styled-text.js';
import { statsForm, statsLines } from '../output/top-table.js';
import { interrupted } from '../signals.js';

const HELP = `
On a terminal the screen is redrawn at each interval (default 1s), until Ctrl-C; elsewhere, or with --json, each interval is
printed below the one before. Counts are of the interval. Contexts are counted by the calls that name them, from the start of
top on. With authentication, it needs the right admin on all contexts.

Examples:
  chord top
  chord top --interval 5s --address 10.0.0.7:50051
  chord top --json | jq .hottest[0].contextId
  chord top --once --json
`;

interface TopOptions {
  readonly interval?: Duration;
  /** Ends after one interval. */
  readonly once?: boolean;
  /** Abort it to end the command. */
  readonly signal: AbortSignal;
}

export function define(program: Command, { connected }: CommandContext): void {
  program
    .command('top')
    .description('show what a server does: rates, hottest contexts, watchers, latencies')
    .addOption(option('--interval <duration>', 'how often', parseTtl))
    .option('--once', 'end after one interval')
    .addHelpText('after', HELP)
    .action((options: { interval?: Duration; once?: boolean }) =>
      connected((session) => top(session, { ...options, signal: interrupted() })),
    );
}

/** @throws ServiceError, also when the server stops */
async function top(session: Session, { interval, once = false, signal }: TopOptions): Promise<void> {
  const { out, options } = session;
  const screen = out.terminal && !out.json && !once ? new Screen(options.address) : undefined;
  const stream = session.stream('watchStats', { interval });
  const cancel = () => stream.cancel();
  signal.addEventListener('abort', cancel);
  try {
    for await (const { stats } of stream) {
      if (!stats) continue;
      if (screen) screen.show(stats);
      else await out.print(statsForm(stats), () => statsLines(stats, options.address));
      if (once) return;
      if (!screen && !out.json) await out.text('');
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener('abort', cancel);
    stream.on('error', () => {}); // an error after the end of the stream is of no interest
    stream.cancel();
    screen?.close();
  }
}

/** The alternate screen of the terminal; leaving it restores the previous contents. */
class Screen {
  #last: Stats | undefined;

  constructor(private readonly address: string) {
    process.stdout.write('\u001b[?1049h\u001b[?25l');
    process.stdout.on('resize', this.#draw);
    process.once('exit', this.#restore); // for an exit by a second Ctrl-C
  }

  show(stats: Stats): void {
    this.#last = stats;
    this.#draw();
  }

  close(): void {
    process.stdout.off('resize', this.#draw);
    process.off('exit', this.#restore);
    this.#restore();
  }

  readonly #restore = (): void => {
    process.stdout.write('\u001b[?25h\u001b[?1049l');
  };

  readonly #draw = (): void => {
    if (!this.#last) return;
    const { columns, rows } = process.stdout;
    const lines = statsLines(this.#last, this.address, rows).map((line) =>
      paint(line, { colour: true, width: columns }),
    );
    // Overwrites each line from the top, clears the rest of it, and then the lines below: no flicker.
    process.stdout.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\n')}\u001b[J`);
  };
}

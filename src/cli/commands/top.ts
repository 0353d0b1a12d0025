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
On a terminal it is drawn anew at each interval (default 1s), until q or Ctrl-C; elsewhere, or with --json, each interval is
printed below the one before. Counts are of the interval. Contexts are counted by the calls that name them, from when you
look. Where callers are asked who they are, it takes the right admin on all contexts.

Examples:
  chord top
  chord top --interval 5s --address 10.0.0.7:50051
  chord top --json | jq .hottest[0].contextId
  chord top --once --json
`;

/** q, Q, and what Ctrl-C and Ctrl-D send. */
const QUIT = ['q', 'Q', '\u0003', '\u0004'];

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
  const stream = session.stream('watchStats', { interval });
  let quit = false;
  const cancel = () => {
    quit = true;
    stream.cancel();
  };
  const screen = out.terminal && !out.json && !once ? new Screen(options.address, cancel) : undefined;
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
    if (!quit) throw error;
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

  constructor(
    private readonly address: string,
    private readonly quit: () => void,
  ) {
    // Keys come as they are typed; Ctrl-C is one of them then.
    if (process.stdin.isTTY) process.stdin.setRawMode(true).on('data', this.#typed);
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

  readonly #typed = (keys: Buffer): void => {
    if (QUIT.some((key) => keys.includes(key))) this.quit();
  };

  readonly #restore = (): void => {
    if (process.stdin.isTTY) process.stdin.setRawMode(false).off('data', this.#typed).pause();
    process.stdout.write('\u001b[?25h\u001b[?1049l');
  };

  readonly #draw = (): void => {
    if (!this.#last) return;
    // A terminal that does not know its size says 0.
    const [columns, rows] = [process.stdout.columns || 80, process.stdout.rows || 24];
    const lines = statsLines(this.#last, this.address, rows, columns).map((line) =>
      paint(line, { colour: true, width: columns }),
    );
    // Overwrites each line from the top, clears the rest of it, and then the lines below: no flicker.
    process.stdout.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\n')}\u001b[J`);
  };
}

/** `top`: what a server does, live. */
import { AdminServiceService as admin } from '../../gen/chord/v1/admin_service.js';
import type { Stats } from '../../gen/chord/v1/stats.js';
import type { Duration } from '../../gen/google/protobuf/duration.js';
import type { Session } from '../client/client.js';
import { paint } from '../output/styled-text.js';
import { statsForm, statsLines } from '../output/top-table.js';

export interface TopOptions {
  readonly interval?: Duration;
  /** One interval, then the end. */
  readonly once?: boolean;
  /** Aborted to end it. */
  readonly signal: AbortSignal;
}

/** @throws ServiceError, also when the server goes away */
export async function top(session: Session, { interval, once = false, signal }: TopOptions): Promise<void> {
  const { out, options } = session;
  const screen = out.terminal && !out.json && !once ? new Screen(options.address) : undefined;
  const stream = session.stream(admin.watchStats, { interval });
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
    stream.on('error', () => {}); // what comes after the end concerns nobody
    stream.cancel();
    screen?.close();
  }
}

/** The terminal's other screen, which leaves the one before as it was. */
class Screen {
  #last: Stats | undefined;

  constructor(private readonly address: string) {
    process.stdout.write('\u001b[?1049h\u001b[?25l');
    process.stdout.on('resize', this.#draw);
    process.once('exit', this.#restore); // a second Ctrl-C, say
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
    // From the top, each line to its end, and nothing below: no flicker.
    process.stdout.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\n')}\u001b[J`);
  };
}

/** What a running server reads again when it is told to: files, and those settings that can change while it runs. */
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { type Config, KEYS, type Key } from '../config/config.js';

export interface Reloadable {
  /** As the log names it. */
  readonly name: string;
  /** Settings that it takes on while it runs. */
  readonly settings?: readonly Key[];
  /** Reads its files again, and takes on its settings. Rejects where it cannot, and then goes on as it was. */
  reload(config: Config): void | Promise<void>;
}

export class Reloader {
  #last: Promise<void> = Promise.resolve();

  constructor(
    private config: Config,
    private readonly parts: readonly Reloadable[],
    private readonly log: Logger,
  ) {}

  /** One after the other: later calls wait. Never rejects: a part that cannot be reloaded is logged and keeps its previous state. */
  reload(settings: Partial<Config>): Promise<void> {
    this.#last = this.#last.then(() => this.#reload(settings));
    return this.#last;
  }

  async #reload(settings: Partial<Config>): Promise<void> {
    const changeable = new Set(this.parts.flatMap((part) => part.settings ?? []));
    const changed = KEYS.filter((key) => key in settings && !isDeepStrictEqual(settings[key], this.config[key]));
    const needRestart = changed.filter((key) => !changeable.has(key));
    if (needRestart.length > 0) this.log.warn({ settings: needRestart }, 'these settings change only with a restart');
    const taken = changed.filter((key) => changeable.has(key));
    this.config = { ...this.config, ...Object.fromEntries(taken.map((key) => [key, settings[key]])) };
    for (const part of this.parts) {
      try {
        await part.reload(this.config);
      } catch (error) {
        this.log.error(
          { part: part.name, reason: (error as Error).message },
          'reload failed, keeping the previous state',
        );
      }
    }
    this.log.info({ settings: taken, parts: this.parts.map(({ name }) => name) }, 'reloaded');
  }
}

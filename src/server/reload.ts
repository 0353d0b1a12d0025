/** Reloads a running server: its files, and the settings that can change at run time. */
import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { type Config, KEYS, type Key } from '../config/config.js';

export interface Reloadable {
  /** The name in the log. */
  readonly name: string;
  /** Settings that can change at run time. */
  readonly settings?: readonly Key[];
  /** Reads the files again and applies the settings. On failure rejects, and keeps the previous state. */
  reload(config: Config): void | Promise<void>;
}

export class Reloader {
  #last: Promise<void> = Promise.resolve();

  constructor(
    private config: Config,
    private readonly parts: readonly Reloadable[],
    private readonly log: Logger,
  ) {}

  /**
   * Reloads one part after the other; later calls wait. Never rejects: a part that cannot be reloaded is logged and
   * keeps its previous state.
   */
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

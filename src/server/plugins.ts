/**
 * Plugins of one's own, in place of Chord's: what startChord takes beside settings, and what a module for
 * `chord serve --plugin` exports as its default. docs/extending.md says what each has to promise.
 */
import { type Config, ConfigError } from '../config/config.js';
import type { Formatters } from '../contexts/sync/projection.js';
import type { Clock } from '../model/model.js';
import type { Store } from '../store/store.js';
import type { Provider } from '../transfer/export-provider.js';

export interface Plugins {
  /** In place of `backend`. Closed together with Chord. */
  readonly store?: Plugin<Store> | undefined;
  /** The external store, in place of `exportUrl`. Closed together with Chord. */
  readonly provider?: Plugin<Provider> | undefined;
  /** Whole milliseconds since 1970; the system's clock where absent. */
  readonly clock?: Clock | undefined;
  /** Delta formats of one's own, by the names that clients ask for them with. See docs/formats.md. */
  readonly formatters?: Formatters | undefined;
}

/** Itself, or a promise of it, or how to open it: called once, when Chord starts, with all settings. */
export type Plugin<T> = T | Promise<T> | ((config: Config) => T | Promise<T>);

/** What cannot be called is found when Chord starts, and not by the first request that needs it. */
const METHODS = {
  store: [
    ...['load', 'head', 'commit', 'remove', 'recall', 'deltas', 'list', 'due', 'trim', 'forget'],
    ...['health', 'onHealth', 'close'],
  ],
  provider: ['save', 'load', 'list', 'delete', 'close'],
} as const;

/** @throws ConfigError where it is none, and whatever opening it throws */
export function openPlugin(kind: 'store', part: Plugin<Store>, config: Config): Promise<Store>;
export function openPlugin(kind: 'provider', part: Plugin<Provider>, config: Config): Promise<Provider>;
export async function openPlugin<T>(kind: keyof typeof METHODS, part: Plugin<T>, config: Config): Promise<T> {
  const opened = await (typeof part === 'function' ? (part as (config: Config) => T | Promise<T>)(config) : part);
  const members = Object(opened) as Readonly<Record<string, unknown>>;
  const missing = METHODS[kind].filter((name) => typeof members[name] !== 'function');
  if (missing.length > 0) throw new ConfigError([`the plugin's ${kind} has no method ${missing.join(', ')}`]);
  return opened;
}

/** @throws ConfigError where it does not tell the time */
export function checkClock(clock: Clock): Clock {
  const now: unknown = typeof clock === 'function' ? clock() : undefined;
  if (Number.isSafeInteger(now) && (now as number) >= 0) return clock;
  throw new ConfigError(["the plugin's clock is not a function that returns whole milliseconds since 1970"]);
}

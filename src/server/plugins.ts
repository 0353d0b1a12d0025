/**
 * Plugins that replace parts of Chord: startChord takes them beside the settings, and a module for `chord serve
 * --plugin` exports them as its default. docs/extending.md lists what each plugin must promise.
 */
import { type Config, ConfigError } from '../config/config.js';
import type { Formatters } from '../contexts/sync/formats.js';
import type { Clock } from '../model/model.js';
import type { Store } from '../store/store.js';
import type { Provider } from '../transfer/export-provider.js';

export interface Plugins {
  /** Replaces `backend`. Closed together with Chord. */
  readonly store?: Plugin<Store> | undefined;
  /** The external store; replaces `exportUrl`. Closed together with Chord. */
  readonly provider?: Plugin<Provider> | undefined;
  /** Whole milliseconds since 1970; absent: the system clock. */
  readonly clock?: Clock | undefined;
  /** More delta formats, by the names that clients use. See docs/formats.md. */
  readonly formatters?: Formatters | undefined;
}

/**
 * A plugin: the object, a promise of it, or a function that opens it. The function is called once, when Chord starts,
 * with all settings.
 */
export type Plugin<T> = T | Promise<T> | ((config: Config) => T | Promise<T>);

/** A missing method is found when Chord starts, not by the first request that needs it. */
const METHODS = {
  store: [
    ...['load', 'head', 'commit', 'remove', 'recall', 'deltas', 'list', 'due', 'trim', 'forget'],
    ...['health', 'onHealth', 'close'],
  ],
  provider: ['save', 'load', 'list', 'delete', 'close'],
} as const;

/** @throws ConfigError for an invalid plugin, and any error of its opening */
export function openPlugin(kind: 'store', part: Plugin<Store>, config: Config): Promise<Store>;
export function openPlugin(kind: 'provider', part: Plugin<Provider>, config: Config): Promise<Provider>;
export async function openPlugin<T>(kind: keyof typeof METHODS, part: Plugin<T>, config: Config): Promise<T> {
  const opened = await (typeof part === 'function' ? (part as (config: Config) => T | Promise<T>)(config) : part);
  const members = Object(opened) as Readonly<Record<string, unknown>>;
  const missing = METHODS[kind].filter((name) => typeof members[name] !== 'function');
  if (missing.length > 0) throw new ConfigError([`the plugin's ${kind} has no method ${missing.join(', ')}`]);
  return opened;
}

/** @throws ConfigError for an invalid clock */
export function checkClock(clock: Clock): Clock {
  const now: unknown = typeof clock === 'function' ? clock() : undefined;
  if (Number.isSafeInteger(now) && (now as number) >= 0) return clock;
  throw new ConfigError(["the plugin's clock is not a function that returns whole milliseconds since 1970"]);
}

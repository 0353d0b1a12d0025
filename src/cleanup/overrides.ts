/**
 * What calls have changed of cleanup: it wins over the configuration. Where several servers share a store, the store keeps
 * it, for all of them and beyond their ends; else it lives as long as the process.
 */
import { ChordError } from '../model/errors.js';
import { formatTiers, parseTiers } from '../model/tiers.js';
import type { Store } from '../store/store.js';
import type { CleanupOptions } from './policy.js';

export interface CleanupOverrides {
  /** Absent: as configured; likewise below. */
  readonly running?: boolean | undefined;
  /** Milliseconds. */
  readonly interval?: number | undefined;
  readonly options: Partial<CleanupOptions>;
  /** Another number with each call after which the next sweep comes one interval later. */
  readonly scheduled: number;
}

const NAME = 'cleanup';
const ATTEMPTS_MAX = 100;

export class KeptOverrides {
  /** As text, where the store keeps none; null: there are none. */
  #own: string | null = null;

  constructor(private readonly store: Pick<Store, 'cluster'>) {}

  async read(): Promise<CleanupOverrides | undefined> {
    return fromText(await this.#text());
  }

  /** `edit` may be called again, where another server has changed them meanwhile; undefined: there are none any more. */
  async change(
    edit: (before: CleanupOverrides | undefined) => CleanupOverrides | undefined,
  ): Promise<CleanupOverrides | undefined> {
    const { settings } = this.store.cluster ?? {};
    for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
      const before = await this.#text();
      const after = edit(fromText(before));
      const text = after ? toText(after) : null;
      if (!settings) this.#own = text;
      else if (!(await settings.replace(NAME, before, text))) continue;
      return after;
    }
    throw new ChordError('UNAVAILABLE', 'other servers changed the settings of cleanup meanwhile; try again', {
      retryAfter: 100,
    });
  }

  async #text(): Promise<string | null> {
    const { settings } = this.store.cluster ?? {};
    return settings ? settings.get(NAME) : this.#own;
  }
}

function toText({ options: { deltaRetention, ...options }, ...others }: CleanupOverrides): string {
  const tiers = deltaRetention && { deltaRetention: formatTiers(deltaRetention) };
  return JSON.stringify({ ...others, options: { ...options, ...tiers } });
}

/** Parts of another type than this Chord knows are left out. */
function fromText(text: string | null): CleanupOverrides | undefined {
  if (text === null) return undefined;
  let parsed: Record<string, unknown>;
  try {
    parsed = JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new ChordError('DATA_LOSS', 'the stored settings of cleanup are damaged', { cause });
  }
  const options = (parsed.options ?? {}) as Record<string, unknown>;
  const number = (value: unknown) => (typeof value === 'number' && value >= 0 ? value : undefined);
  const boolean = (value: unknown) => (typeof value === 'boolean' ? value : undefined);
  const known = {
    contextAutoDelete: boolean(options.contextAutoDelete),
    contextTtl: number(options.contextTtl),
    deltaTtl: number(options.deltaTtl),
    deltaThreshold: number(options.deltaThreshold),
    requestTtl: number(options.requestTtl),
    deltaRetention: typeof options.deltaRetention === 'string' ? parseTiers(options.deltaRetention) : undefined,
  };
  return {
    running: boolean(parsed.running),
    interval: number(parsed.interval),
    options: Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined)),
    scheduled: number(parsed.scheduled) ?? 0,
  };
}

/** Tiers of retention in text form: `1h:all,1d:1m,90d:1h` keeps every version of the last hour, one a minute of the last day, and so on. */
import { formatDuration, parseDuration } from './units.js';

/** Milliseconds. */
export interface Tier {
  /** The tier is of versions younger than this, and not of a tier before. */
  readonly age: number;
  /** Of each such period since 1970 the last version is kept; 0: all are. */
  readonly every: number;
}

export const TIERS_MAX = 8;
const AGE_MAX = 100 * 365 * 86_400_000;

/** What is written for no tiers. */
export const NO_TIERS = 'none';

/** Undefined where `text` is no list of tiers. */
export function parseTiers(text: string): Tier[] | undefined {
  if (text === NO_TIERS) return [];
  const tiers: Tier[] = [];
  for (const part of text.split(',')) {
    const [age, every, ...more] = part.trim().split(':');
    const tier = { age: parseDuration(age ?? ''), every: every === 'all' ? 0 : parseDuration(every ?? '') };
    if (tier.age === undefined || tier.every === undefined || more.length > 0) return undefined;
    if (tier.every === 0 && every !== 'all') return undefined;
    tiers.push(tier as Tier);
  }
  return tiers;
}

export function formatTiers(tiers: readonly Tier[]): string {
  if (tiers.length === 0) return NO_TIERS;
  return tiers.map(({ age, every }) => `${formatDuration(age)}:${every === 0 ? 'all' : formatDuration(every)}`).join();
}

/** Why these tiers do not go together; undefined where they do. */
export function tiersProblem(tiers: readonly Tier[]): string | undefined {
  if (tiers.length > TIERS_MAX) return `are more than ${TIERS_MAX}`;
  for (const [i, { age, every }] of tiers.entries()) {
    const before = tiers[i - 1] ?? { age: 0, every: -1 };
    if (age < 1000 || age > AGE_MAX) return 'must reach between 1 second and 100 years back';
    if (age <= before.age) return 'must reach further back, one after the other';
    if (every <= before.every) return 'must keep fewer versions, one after the other';
    if (every !== 0 && every < 1000) return 'keep one version a second at most, or all';
    if (every > age) return 'have a period that is longer than their reach';
  }
  return undefined;
}

/** Decides which versions tiers of retention merge away, and when: pure. Times: milliseconds since 1970. */
import type { ThinningPlan } from '../contexts/thin.js';
import type { Tier } from '../model/tiers.js';

/**
 * Versions of one period are merged when the whole period is beyond the reach of the tier before: so each version is merged
 * once a tier. Keys of the index `age` are times from which on the first tier is over: see `everythingFor`.
 */
export function thinningPlan(tiers: readonly Tier[], now: number): ThinningPlan {
  const first = everythingFor(tiers);
  const steps = tiers
    .map(({ every }, i) => ({ every, after: tiers[i - 1]?.age ?? 0 }))
    .filter(({ every }) => every > 0);
  /** When a version goes for the sake of the next one, the earliest such time first; none: not in these tiers. */
  const goesAt = (at: number, nextAt: number): number => {
    let earliest = Number.POSITIVE_INFINITY;
    for (const { every, after } of steps) {
      const period = Math.floor(at / every);
      if (period === Math.floor(nextAt / every)) earliest = Math.min(earliest, (period + 1) * every + after);
    }
    return earliest;
  };
  return {
    merges: (at, nextAt) => goesAt(at, nextAt) <= now,
    dueAgain: (at, nextAt) => goesAt(at, nextAt) - first,
    dueFor: (oldestAt) => oldestAt + reach(tiers) - first,
  };
}

/** How long every version is kept. */
export function everythingFor([first]: readonly Tier[]): number {
  return first?.every === 0 ? first.age : 0;
}

/** How long any version is kept. */
export function reach(tiers: readonly Tier[]): number {
  return tiers.at(-1)?.age ?? 0;
}

/** Decides which versions tiers of retention merge away, and when: pure. Times: milliseconds since 1970. */
import type { ThinningPlan } from '../contexts/thin.js';
import type { Tier } from '../model/tiers.js';

/**
 * Versions of one period are merged when the whole period is beyond the reach of the tier before: so each version is merged
 * once a tier. Keys of the index `age` are times from which on the first tier is over: see `everythingFor`. `key`: of the
 * context in it, as the last sweep by these tiers has left it: nothing that was due before is left then. Absent: all is looked at.
 */
export function thinningPlan(tiers: readonly Tier[], now: number, key = Number.NEGATIVE_INFINITY): ThinningPlan {
  const first = everythingFor(tiers);
  const steps = tiers
    .map(({ every }, i) => ({ every, after: tiers[i - 1]?.age ?? 0 }))
    .filter(({ every }) => every > 0);
  /** The end of the last period that is beyond the tier before at a time. */
  const passed = ({ every, after }: Step, time: number) => Math.floor((time - after) / every) * every;
  /** The periods that have ended since. */
  const due = steps.map((step) => ({ from: passed(step, key + first - 1), to: passed(step, now) }));
  /** When a version goes for the sake of a next one in the same period. */
  const goesIn = ({ every, after }: Step, at: number) => (Math.floor(at / every) + 1) * every + after;
  /** When a version goes for the sake of the next one, the earliest such time first; Infinity: not in these tiers. */
  const goesAt = (at: number, nextAt: number): number => {
    const same = steps.filter(({ every }) => Math.floor(at / every) === Math.floor(nextAt / every));
    return Math.min(...same.map((step) => goesIn(step, at)));
  };
  return {
    merges: (at, nextAt) => goesAt(at, nextAt) <= now,
    // Where no period has ended, from the first version on that is not beyond the tier before: it says when one will have.
    readFrom: (at) => Math.min(...due.filter(({ to }) => at < to).map(({ from }) => Math.max(at, from))),
    dueAgain: (at, nextAt) => goesAt(at, nextAt) - first,
    dueAgainFrom: (at) => Math.min(...steps.map((step) => goesIn(step, at)).filter((time) => time > now)) - first,
    dueFor: (oldestAt) => oldestAt + reach(tiers) - first,
  };
}

interface Step {
  /** As in `Tier`. */
  readonly every: number;
  /** The reach of the tier before. */
  readonly after: number;
}

/** How long every version is kept. */
export function everythingFor([first]: readonly Tier[]): number {
  return first?.every === 0 ? first.age : 0;
}

/** How long any version is kept. */
export function reach(tiers: readonly Tier[]): number {
  return tiers.at(-1)?.age ?? 0;
}

/** The slope of measurements over time, by Theil and Sen: the median of the slopes of all pairs, which outliers do not move. */

export interface Sample {
  /** Seconds. */
  readonly at: number;
  readonly value: number;
}

export interface Slope {
  readonly perHour: number;
  /** The median of all values. */
  readonly median: number;
  /** The median distance of a value from the line. */
  readonly noise: number;
  /** Over the time measured, the line rises by more than three times the noise and 10 % of the median. */
  readonly grows: boolean;
}

/** Pairs are compared up to this number of samples; of more, some are left out evenly. */
const SAMPLES_MAX = 500;

export function flat(all: readonly Sample[]): Slope {
  const step = Math.max(1, Math.ceil(all.length / SAMPLES_MAX));
  const samples = all.filter((_, i) => i % step === 0);
  const slopes = samples.flatMap((a, i) =>
    samples.slice(i + 1).flatMap((b) => (b.at > a.at ? (b.value - a.value) / (b.at - a.at) : [])),
  );
  const slope = medianOf(slopes);
  const start = medianOf(samples.map(({ at, value }) => value - slope * at));
  const noise = medianOf(samples.map(({ at, value }) => Math.abs(value - start - slope * at)));
  const median = medianOf(samples.map(({ value }) => value));
  const rise = samples.length > 1 ? slope * (samples.at(-1)!.at - samples[0]!.at) : 0;
  return { perHour: slope * 3600, median, noise, grows: rise > 3 * noise && rise > median / 10 };
}

function medianOf(values: readonly number[]): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

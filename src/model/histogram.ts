/**
 * The distribution of values: counts in buckets whose bounds grow by the fourth root of two, so that the error of a
 * quantile is at most 10 %. An observation costs one logarithm and allocates nothing.
 */
const PER_DOUBLING = 4;

export class Histogram {
  count = 0;
  sum = 0;
  /** The first bucket counts values up to `first`, the last one values above all bounds. */
  private readonly counts: Float64Array;

  /** The bounds go from `first` to `first` times 2 ** `doublings`. */
  constructor(
    private readonly first: number,
    private readonly doublings: number,
  ) {
    this.counts = new Float64Array(doublings * PER_DOUBLING + 2);
  }

  observe(value: number): void {
    const above = value > this.first ? Math.ceil(Math.log2(value / this.first) * PER_DOUBLING) : 0;
    const last = this.counts.length - 1;
    this.counts[Math.min(above, last)]! += 1;
    this.count++;
    this.sum += value;
  }

  /** Bounds, each twice the one before, with the number of values at or below each bound. */
  *buckets(): Generator<readonly [bound: number, count: number]> {
    let count = 0;
    for (let index = 0; index < this.counts.length - 1; index++) {
      count += this.counts[index]!;
      if (index % PER_DOUBLING === 0) yield [this.bound(index), count];
    }
  }

  /** The value that a share `q` of all values is at or below, approximately; 0 where the histogram is empty. */
  quantile(q: number): number {
    let left = q * this.count;
    const index = this.counts.findIndex((count) => {
      left -= count;
      return count > 0 && left <= 0;
    });
    return index < 0 ? 0 : this.bound(Math.min(index, this.counts.length - 2));
  }

  copy(): Histogram {
    return this.since(new Histogram(this.first, this.doublings));
  }

  /** The values that were observed after `earlier` was copied from this histogram. */
  since(earlier: Histogram): Histogram {
    const later = new Histogram(this.first, this.doublings);
    this.counts.forEach((count, index) => {
      later.counts[index] = count - earlier.counts[index]!;
    });
    later.count = this.count - earlier.count;
    later.sum = this.sum - earlier.sum;
    return later;
  }

  private bound(index: number): number {
    return this.first * 2 ** (index / PER_DOUBLING);
  }
}

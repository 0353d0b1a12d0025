/**
 * K-way merge: the first `limit` items of many sorted sources, in order. Reads from each source its share and a little
 * more, then again from those of which more may be needed: usually two rounds, whatever the limit.
 */

/** Of one source: its number, and the last item that was read of it. */
export interface Ask<T> {
  readonly source: number;
  readonly last: T | undefined;
}

/** Reads one round: of each source that is asked the next `count` items behind `last`, or all remaining items. */
export type ReadRound<T> = (asks: readonly Ask<T>[], count: number) => Promise<readonly (readonly T[])[]>;

export async function kWayMerge<T>(
  sources: number,
  limit: number,
  compare: (a: T, b: T) => number,
  read: ReadRound<T>,
): Promise<T[]> {
  const queues = Array.from({ length: sources }, (_, source) => ({ source, items: [] as T[], done: false }));
  let open = queues;
  for (let count = Math.ceil(limit / sources) + 4; ; count *= 2) {
    const asks = open.map(({ source, items }) => ({ source, last: items.at(-1) }));
    for (const [i, more] of (await read(asks, count)).entries()) {
      const queue = open[i]!;
      queue.items.push(...more);
      queue.done = more.length < count;
    }
    const first = queues
      .flatMap(({ items }) => items)
      .sort(compare)
      .slice(0, limit);
    // A source whose last item is among the first `limit` items may have more items that belong there.
    const end = first.length === limit ? first.at(-1) : undefined;
    open = queues.filter(({ done, items }) => {
      const last = items.at(-1);
      return !done && (last === undefined || end === undefined || compare(last, end) < 0);
    });
    if (open.length === 0) return first;
  }
}

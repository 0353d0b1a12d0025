/**
 * K-way merge: the first `limit` items of many sorted sources, in order. Reads from each source its share and a little
 * more, then again from those of which more may be needed: usually two rounds, whatever the limit.
 */
export interface Source<T> {
  /** The next `count` items behind `last`, or all remaining items. */
  read(count: number, last: T | undefined): Promise<readonly T[]>;
}

export async function kWayMerge<T>(
  sources: readonly Source<T>[],
  limit: number,
  compare: (a: T, b: T) => number,
): Promise<T[]> {
  const share = Math.ceil(limit / sources.length) + 4;
  const queues = sources.map((source) => ({ source, items: [] as T[], done: false }));
  let open = queues;
  let count = share;
  for (;;) {
    const size = count;
    await Promise.all(
      open.map(async (queue) => {
        const more = await queue.source.read(size, queue.items.at(-1));
        queue.items.push(...more);
        queue.done = more.length < size;
      }),
    );
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
    count *= 2;
  }
}

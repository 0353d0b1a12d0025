/**
 * Checks that a history is strictly serializable, in O(n log n).
 *
 * Knossos and porcupine search for an order of the operations, which takes exponential time. Here the versions give the
 * order of all states of a context, so that one graph decides: operations are nodes; an edge leads from each operation to
 * those that its contexts put behind it, and (over a list of all moments) to those that were called after it returned. The
 * history is serializable exactly when the graph has no circle. An operation on several contexts is one node.
 *
 * The order of lives of one context, where no chain is given, is inferred (`chainOf`).
 */
import type { Chain, History, Operation, Touch } from './history.js';

export interface Violation {
  readonly kind: 'unknown state' | 'written twice' | 'out of order';
  readonly message: string;
}

/** All violations that were found; none: the history is strictly serializable. */
export function check({ chains, operations }: History): Violation[] {
  const violations: Violation[] = [];
  const places = new Map<string, ReadonlyMap<string, number>>();
  for (const [context, chain] of chains) places.set(context, placesIn(chain));
  const placed: Placed[] = [];
  for (const operation of operations) {
    for (const touch of operation.touches) {
      const place = placeOf(touch, places.get(touch.context));
      if (place !== undefined) placed.push({ operation, touch, place });
      else if (touch.state !== null || touch.kind === 'writes') {
        violations.push({
          kind: 'unknown state',
          message: `${operation.name} ${touch.kind} ${touch.context} ${touch.state ?? `the end of ${touch.from}`}, which never was`,
        });
      }
    }
  }
  violations.push(...writtenTwice(placed));
  if (violations.length > 0) return violations;
  placed.push(...placeAbsent(chains, operations, placed));
  const circle = circleIn(edgesOf(operations, placed));
  if (circle) violations.push({ kind: 'out of order', message: describe(operations, placed, circle) });
  return violations;
}

interface Placed {
  readonly operation: Operation;
  readonly touch: Touch;
  /** In the chain of the context. */
  readonly place: number;
}

function placesIn(chain: Chain): ReadonlyMap<string, number> {
  const places = new Map<string, number>();
  chain.forEach((state, place) => {
    if (state !== null) places.set(state, place);
  });
  return places;
}

/** Undefined: there is no such state; or it is a read that found no context, which `placeAbsent` places. */
function placeOf({ kind, state, from }: Touch, places: ReadonlyMap<string, number> | undefined): number | undefined {
  if (state !== null) return places?.get(state);
  if (kind === 'reads') return undefined;
  const removed = from === undefined ? undefined : places?.get(from);
  return removed === undefined ? undefined : removed + 1;
}

function writtenTwice(placed: readonly Placed[]): Violation[] {
  const writers = new Map<string, Operation>();
  return placed.flatMap(({ operation, touch, place }): Violation[] => {
    if (touch.kind !== 'writes') return [];
    const name = `${touch.context} ${place}`;
    const first = writers.get(name);
    writers.set(name, operation);
    if (!first) return [];
    const what = touch.state ?? `the end of ${touch.from}`;
    return [
      { kind: 'written twice', message: `${first.name} and ${operation.name} both wrote ${touch.context} ${what}` },
    ];
  });
}

/**
 * A read that found no context may belong to any gap between two lives (or before the first). The earliest gap that real
 * time allows is taken; what was read later is then never placed earlier. Reads of several contexts are left out.
 */
function placeAbsent(
  chains: ReadonlyMap<string, Chain>,
  operations: readonly Operation[],
  placed: readonly Placed[],
): Placed[] {
  const reads = operations.filter(({ touches }) => touches.length === 1 && isAbsentRead(touches[0]!));
  const wanted = new Set(reads.map(({ touches }) => touches[0]!.context));
  const latest = latestMoments(placed);
  const gaps = new Map<string, { place: number; closes: number }[]>();
  for (const context of wanted) {
    const chain = chains.get(context) ?? [null];
    const returns = chain.map(() => Number.POSITIVE_INFINITY);
    for (const { operation, touch, place } of placed) {
      if (touch.context === context) returns[place] = Math.min(returns[place]!, latest.get(operation)!);
    }
    // A gap is over when anything of a later life has returned.
    let closes = Number.POSITIVE_INFINITY;
    const found: { place: number; closes: number }[] = [];
    for (let place = chain.length - 1; place >= 0; place--) {
      if (chain[place] === null) found.unshift({ place, closes });
      closes = Math.min(closes, returns[place]!);
    }
    gaps.set(context, found);
  }
  return reads.map((operation) => {
    const touch = operation.touches[0]!;
    const open = gaps.get(touch.context)!.find(({ closes }) => closes >= operation.called);
    return { operation, touch, place: open?.place ?? 0 };
  });
}

/**
 * When each operation had happened at the latest: when it returned, or when anything returned that comes after it in a chain.
 * A batch that never returned, and of which one context was read, has happened in its other contexts too.
 */
function latestMoments(placed: readonly Placed[]): ReadonlyMap<Operation, number> {
  const latest = new Map(placed.map(({ operation }) => [operation, operation.returned]));
  const chains = [...groupBy(placed, ({ touch }) => touch.context).values()].map((list) =>
    [...groupBy(list, rankOf)].sort(([a], [b]) => b - a).map(([, group]) => group),
  );
  for (let changed = true; changed; ) {
    changed = false;
    for (const groups of chains) {
      let after = Number.POSITIVE_INFINITY;
      for (const group of groups) {
        let least = after;
        for (const { operation } of group) {
          const before = latest.get(operation)!;
          if (after < before) latest.set(operation, after);
          changed ||= after < before;
          least = Math.min(least, before);
        }
        after = least;
      }
    }
  }
  return latest;
}

/** In each place: first the write, then its reads. */
function rankOf({ place, touch }: Placed): number {
  return 2 * place + (touch.kind === 'writes' ? 0 : 1);
}

function groupBy<K, T>(list: readonly T[], keyOf: (each: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const each of list) {
    const group = groups.get(keyOf(each));
    if (group) group.push(each);
    else groups.set(keyOf(each), [each]);
  }
  return groups;
}

function isAbsentRead({ kind, state }: Touch): boolean {
  return kind === 'reads' && state === null;
}

interface Edges {
  readonly count: number;
  readonly from: readonly number[];
  readonly to: readonly number[];
}

/** Nodes: first all operations, then all moments, then one for each state of a chain that was touched. */
function edgesOf(operations: readonly Operation[], placed: readonly Placed[]): Edges {
  const from: number[] = [];
  const to: number[] = [];
  const number = new Map(operations.map((operation, i) => [operation, i]));
  const moments = [...new Set(operations.flatMap(({ called, returned }) => [called, returned]))].sort((a, b) => a - b);
  const momentNode = new Map(moments.map((moment, i) => [moment, operations.length + i]));
  const edge = (a: number, b: number) => {
    from.push(a);
    to.push(b);
  };
  for (let i = 1; i < moments.length; i++) edge(operations.length + i - 1, operations.length + i);
  operations.forEach(({ called, returned }, i) => {
    // What returned at the moment of a call did not return before it.
    const before = momentNode.get(called)! - 1;
    if (before >= operations.length) edge(before, i);
    if (returned < Number.POSITIVE_INFINITY) edge(i, momentNode.get(returned)!);
  });

  let next = operations.length + moments.length;
  for (const list of groupBy(placed, ({ touch }) => touch.context).values()) {
    // Between two groups there is a node, so that edges stay few.
    list.sort((a, b) => rankOf(a) - rankOf(b));
    let gate: number | undefined;
    for (let start = 0; start < list.length; ) {
      let end = start;
      while (end < list.length && rankOf(list[end]!) === rankOf(list[start]!)) end++;
      const after = next++;
      for (const { operation } of list.slice(start, end)) {
        const node = number.get(operation)!;
        if (gate !== undefined) edge(gate, node);
        edge(node, after);
      }
      gate = after;
      start = end;
    }
  }
  return { count: next, from, to };
}

/** The nodes of one circle; undefined: there is none. Kahn's algorithm, then a walk among what is left. */
function circleIn({ count, from, to }: Edges): number[] | undefined {
  const degree = new Uint32Array(count);
  const first = new Int32Array(count).fill(-1);
  const following = new Int32Array(from.length);
  for (let i = 0; i < from.length; i++) {
    degree[to[i]!]!++;
    following[i] = first[from[i]!]!;
    first[from[i]!] = i;
  }
  const free: number[] = [];
  for (let node = 0; node < count; node++) if (degree[node] === 0) free.push(node);
  let done = 0;
  for (let node = free.pop(); node !== undefined; node = free.pop()) {
    done++;
    for (let e = first[node]!; e >= 0; e = following[e]!) if (--degree[to[e]!]! === 0) free.push(to[e]!);
  }
  if (done === count) return undefined;
  // Each node that is left has an edge from another one that is left.
  const before = new Int32Array(count).fill(-1);
  for (let i = 0; i < from.length; i++) if (degree[from[i]!]! > 0 && degree[to[i]!]! > 0) before[to[i]!] = from[i]!;
  const seen = new Set<number>();
  let node = degree.findIndex((left) => left > 0);
  while (!seen.has(node)) {
    seen.add(node);
    node = before[node]!;
  }
  const circle = [node];
  for (let at = before[node]!; at !== node; at = before[at]!) circle.unshift(at);
  return circle;
}

function describe(operations: readonly Operation[], placed: readonly Placed[], circle: readonly number[]): string {
  const names = circle.flatMap((node) => {
    const operation = operations[node];
    if (!operation) return [];
    const touched = placed.filter((each) => each.operation === operation);
    const what = touched.map(
      ({ touch, place }) => `${touch.kind} ${touch.context}[${place}] ${touch.state ?? 'absent'}`,
    );
    return [`${operation.name} (${operation.called}-${operation.returned}) ${what.join(', ')}`];
  });
  return `each of these must come before the next one, and the last before the first:\n  ${names.join('\n  ')}`;
}

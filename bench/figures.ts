/** What a benchmark reports: named ratios with both of their sides. */
import type { Side } from './load.js';

export interface Figure {
  /** As in docs/benchmarks.md: P1. */
  readonly target: string;
  readonly name: string;
  readonly unit: string;
  readonly ours: number;
  readonly peer: number;
  /** What `peer` is. */
  readonly against: string;
  /** ours / peer. */
  readonly ratio: number;
  /** The bound of the ratio; absent: reported only. */
  readonly goal?: { readonly atMost: number } | { readonly atLeast: number } | undefined;
  readonly met?: boolean | undefined;
  /** More about both sides: throughput, latencies, bytes. */
  readonly details?: unknown;
}

export interface Plan {
  /** Seconds that one round of a closed loop takes. */
  readonly seconds: number;
  readonly rounds: number;
  /** Work of a size that takes long is cut down. */
  readonly quick: boolean;
  readonly progress: (line: string) => void;
}

export interface Target {
  readonly id: string;
  readonly title: string;
  run(plan: Plan): Promise<Figure[]>;
}

export function ratio(given: Omit<Figure, 'ratio' | 'met'>): Figure {
  const { ours, peer, goal } = given;
  const value = ours / peer;
  const met = goal && ('atMost' in goal ? value <= goal.atMost : value >= goal.atLeast);
  return { ...given, ratio: value, met };
}

/** The usual figure: CPU time of the server for one operation. */
export function cpuRatio(
  target: string,
  name: string,
  operation: string,
  ours: Side,
  peer: Side,
  atMost: number,
): Figure {
  return ratio({
    target,
    name,
    unit: `µs CPU/${operation}`,
    ours: ours.cpuPerOperation,
    peer: peer.cpuPerOperation,
    against: peer.name,
    goal: { atMost },
    details: { ours, peer },
  });
}

/** Resources that are closed in reverse order, whatever happens. */
export async function using<T>(
  work: (keep: <R>(resource: R, close: (resource: R) => unknown) => R) => Promise<T>,
): Promise<T> {
  const closers: (() => unknown)[] = [];
  try {
    return await work((resource, close) => {
      closers.push(() => close(resource));
      return resource;
    });
  } finally {
    for (const close of closers.reverse()) await close();
  }
}

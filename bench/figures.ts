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
  /** Absent: reported only. */
  readonly goal?: Goal | undefined;
  readonly met?: boolean | undefined;
  /** More about both sides: throughput, latencies, bytes. */
  readonly details?: unknown;
}

/** A bound of the ratio, or of our side alone. */
export type Goal =
  | { readonly ratioAtMost: number }
  | { readonly ratioAtLeast: number }
  | { readonly oursAtMost: number };

export interface Plan {
  /** Seconds that one round of a closed loop takes. */
  readonly seconds: number;
  readonly rounds: number;
  /** Work that takes long is cut down. */
  readonly quick: boolean;
  /** Sizes that take minutes: a million contexts. */
  readonly large: boolean;
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
  return { ...given, ratio: value, met: goal && reached(goal, ours, value) };
}

function reached(goal: Goal, ours: number, value: number): boolean {
  if ('ratioAtMost' in goal) return value <= goal.ratioAtMost;
  return 'ratioAtLeast' in goal ? value >= goal.ratioAtLeast : ours <= goal.oursAtMost;
}

/** The usual figure: CPU time of the server for one operation. */
export function cpuRatio(
  target: string,
  name: string,
  operation: string,
  ours: Side,
  peer: Side,
  ratioAtMost: number,
): Figure {
  return ratio({
    target,
    name,
    unit: `µs CPU/${operation}`,
    ours: ours.cpuPerOperation,
    peer: peer.cpuPerOperation,
    against: peer.name,
    goal: { ratioAtMost },
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

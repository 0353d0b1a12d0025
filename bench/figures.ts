/** What a benchmark reports: named ratios with both of their sides, and curves of what grows. */
import type { Round, Side } from './load.js';
import type { Plan } from './plan.js';

export type Finding = Figure | Curve;

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
  /** The least and the greatest ratio of one round: of n rounds it holds the true median with probability 1 - 2^(1-n). */
  readonly range?: readonly [number, number] | undefined;
  /** Absent: reported only. */
  readonly goal?: Goal | undefined;
  readonly verdict?: Verdict | undefined;
  /** All that was measured of both; of several figures of one comparison the first one has it. */
  readonly sides?: readonly Side[] | undefined;
  /** More that is worth keeping. */
  readonly details?: unknown;
}

/** A bound of the ratio, or of our side alone. */
export type Goal =
  | { readonly ratioAtMost: number }
  | { readonly ratioAtLeast: number }
  | { readonly oursAtMost: number };

/** Narrowly: single rounds fell on the other side of the goal. */
export type Verdict = 'met' | 'met, narrowly' | 'missed, narrowly' | 'missed';

/** Cost per operation as something grows. */
export interface Curve {
  readonly target: string;
  readonly title: string;
  /** What grows. */
  readonly along: string;
  /** What one operation is. */
  readonly operation: string;
  readonly lines: readonly { readonly name: string; readonly points: readonly Point[] }[];
}

export interface Point extends Side {
  readonly x: number;
}

export interface Target {
  readonly id: string;
  readonly title: string;
  /** Of a whole run, about. */
  readonly seconds: number;
  /** Programs without which it is skipped. */
  readonly needs?: readonly string[];
  run(plan: Plan): Promise<readonly Finding[]>;
}

export function isCurve(finding: Finding): finding is Curve {
  return 'lines' in finding;
}

export function ratio(given: Omit<Figure, 'ratio' | 'verdict'>): Figure {
  const { ours, peer, goal, range } = given;
  const value = ours / peer;
  return { ...given, ratio: value, verdict: goal && judge(goal, ours, value, range) };
}

/** What is measured of a side, and the unit that it is shown in. */
export type Measure = Exclude<keyof Round, 'name'>;

export interface Comparison {
  readonly target: string;
  readonly name: string;
  readonly of: Measure;
  readonly unit: string;
  readonly ours: Side;
  readonly peer: Side;
  readonly goal?: Goal;
  readonly details?: unknown;
}

/** A figure of two sides that were measured in turn. */
export function compare({ of, ours, peer, ...figure }: Comparison): Figure {
  const ratios = ours.rounds.map((round, i) => value(round, of) / value(peer.rounds[i]!, of));
  const range = [Math.min(...ratios), Math.max(...ratios)] as const;
  const both = { ours: value(ours, of), peer: value(peer, of), against: peer.name };
  return ratio({ ...figure, ...both, range });
}

/** The usual figure: CPU time of the server for one operation, with all else that was measured. */
export function cpuRatio(
  target: string,
  name: string,
  operation: string,
  ours: Side,
  peer: Side,
  goal?: number,
): Figure {
  const figure = { target, name, of: 'cpuPerOperation', unit: `µs CPU/${operation}`, ours, peer } as const;
  const compared = compare({ ...figure, ...(goal !== undefined && { goal: { ratioAtMost: goal } }) });
  return { ...compared, sides: [ours, peer] };
}

function value(side: Round, of: Measure): number {
  return side[of] ?? Number.NaN;
}

function judge(goal: Goal, ours: number, ratio: number, range: Figure['range']): Verdict {
  const met = reached(goal, ours, ratio);
  const sure = !range || 'oursAtMost' in goal || range.every((each) => reached(goal, ours, each) === met);
  return sure ? (met ? 'met' : 'missed') : met ? 'met, narrowly' : 'missed, narrowly';
}

function reached(goal: Goal, ours: number, value: number): boolean {
  if ('ratioAtMost' in goal) return value <= goal.ratioAtMost;
  return 'ratioAtLeast' in goal ? value >= goal.ratioAtLeast : ours <= goal.oursAtMost;
}

/** Resources that are closed in reverse order, whatever happens. */
export async function using<T>(work: (keep: Keep) => Promise<T>): Promise<T> {
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

export type Keep = <R>(resource: R, close: (resource: R) => unknown) => R;

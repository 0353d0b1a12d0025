/** What a run has found, as it is kept. */
import type { Curve, Figure } from './figures.js';

export interface Results {
  readonly at: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryGiB: number; readonly node: string };
  readonly secondsPerRound: number;
  readonly rounds: number;
  /** Of the whole run. */
  readonly seconds: number;
  /** Which part of all cores was busy with something else meanwhile. */
  readonly elsewhere: number;
  readonly notes: readonly string[];
  readonly failures: readonly string[];
  readonly figures: readonly Figure[];
  readonly curves: readonly Curve[];
}

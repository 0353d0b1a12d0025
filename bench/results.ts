/** What a run has found, as it is kept. */
import { execFileSync } from 'node:child_process';
import type { Curve, Figure } from './figures.js';
import { ROOT } from './servers.js';

export interface Results {
  readonly at: string;
  readonly machine: { readonly cpu: string; readonly cores: number; readonly memoryGiB: number; readonly node: string };
  readonly secondsPerRound: number;
  readonly rounds: number;
  /** Of the whole run. */
  readonly seconds: number;
  /** Which part of all cores was busy with something else meanwhile. */
  readonly elsewhere: number;
  /** Of each target that was measured to its end, by its id. */
  readonly cards: Readonly<Record<string, Card>>;
  readonly notes: readonly string[];
  readonly failures: readonly string[];
  readonly figures: readonly Figure[];
  readonly curves: readonly Curve[];
}

/** When a target was measured, of which build, and how disturbed: published targets may come from several runs. Of the oldest, `at` is a day only. */
export interface Card extends Pick<Results, 'at' | 'secondsPerRound' | 'rounds' | 'elsewhere'> {
  /** Of the repository, shortened; with a `+` where files were changed since. */
  readonly commit: string;
}

export function currentCommit(): string {
  const git = (...args: string[]) => execFileSync('git', ['-C', ROOT, ...args], { encoding: 'utf8' }).trim();
  try {
    const changed = git('status', '--porcelain', '--untracked-files=no', 'src', 'bench', 'package-lock.json') !== '';
    return `${git('rev-parse', '--short=7', 'HEAD')}${changed ? '+' : ''}`;
  } catch {
    return 'unknown';
  }
}

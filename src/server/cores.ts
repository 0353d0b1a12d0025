/** How many cores the server may use: a container's quota of processor time counts. */
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';

/** @param groups where control groups are mounted */
export function usableCores(groups = '/sys/fs/cgroup', cores = availableParallelism()): number {
  const [quota, period] = quotaOf(groups);
  if (!(quota > 0 && period > 0)) return cores;
  return Math.max(1, Math.min(cores, Math.floor(quota / period)));
}

/** Microseconds of processor time in each period of so many microseconds; NaN where there is no quota. */
function quotaOf(groups: string): readonly [number, number] {
  const [quota, period] = read(`${groups}/cpu.max`).split(' ').map(Number);
  if (quota !== undefined && period !== undefined) return [quota, period];
  return [Number(read(`${groups}/cpu/cpu.cfs_quota_us`)), Number(read(`${groups}/cpu/cpu.cfs_period_us`))];
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}

/** The worker processes for a setting: none where there is one core only. */
export function workersFor(setting: number | 'auto', cores = usableCores()): number {
  if (setting !== 'auto') return setting;
  return cores > 1 ? cores : 0;
}

/** Formats the counts of a verification. */
import type { Verified } from '../../maintenance/verify.js';

/** `2 contexts, 5 deltas, 1 snapshot and 0 requests in 1.5 MiB`. */
export function verifiedText({ contexts, deltas, snapshots, requests, bytes }: Verified): string {
  const count = (number: number, noun: string) => `${number} ${noun}${number === 1 ? '' : 's'}`;
  const first = [count(contexts, 'context'), count(deltas, 'delta'), count(snapshots, 'snapshot')].join(', ');
  return `${first} and ${count(requests, 'request')} in ${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

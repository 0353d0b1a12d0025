/** `verify`: what is wrong with a data directory. */
import { type Damage, type Verified, verify } from '../../maintenance/verify.js';
import { formatId, harmless } from '../output/format.js';
import type { Output } from '../output/output.js';
import { ProgressBar } from '../output/progress-bar.js';
import type { StyledText } from '../output/styled-text.js';

/** Throws where something is wrong, after all has been told. */
export async function verifyDirectory(out: Output, directory: string): Promise<void> {
  const bar = new ProgressBar(out, 'verifying');
  const found: Damage[] = [];
  const flush = async (): Promise<void> => {
    if (found.length > 0) bar.clear();
    for (const damage of found.splice(0)) await out.print({ damage }, () => [damageLine(damage)]);
  };
  const verified = await verify(directory, {
    onDamage: (damage) => found.push(damage),
    onProgress: async (done, total) => {
      await flush();
      bar.show(done, total);
    },
  });
  bar.clear();
  await flush();
  const { damages } = verified;
  await out.print({ directory, ...verified }, () => [
    [['plain', `read ${countsText(verified)}: ${damages === 0 ? 'nothing is wrong' : `${damages} problems`}`]],
  ]);
  if (damages > 0) throw new Error(`${directory} is damaged: ${damages === 1 ? '1 problem' : `${damages} problems`}`);
}

/** `2 contexts, 5 deltas, 1 snapshot and 0 requests in 1.5 MiB`. */
export function countsText({ contexts, deltas, snapshots, requests, bytes }: Verified): string {
  const count = (number: number, noun: string) => `${number} ${noun}${number === 1 ? '' : 's'}`;
  const first = [count(contexts, 'context'), count(deltas, 'delta'), count(snapshots, 'snapshot')].join(', ');
  return `${first} and ${count(requests, 'request')} in ${(bytes / 2 ** 20).toFixed(1)} MiB`;
}

function damageLine({ contextId, version, what }: Damage): StyledText {
  const at = version === undefined ? ': ' : ` version ${version}: `;
  return [
    ['cyan', contextId === undefined ? '' : formatId(contextId)],
    ['plain', contextId === undefined ? '' : at],
    ['red', harmless(what)],
  ];
}

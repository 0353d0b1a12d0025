/** `verify`: reads a data directory or backup that no server has open, and prints its faults. */
import type { Command } from 'commander';
import type { Damage } from '../../maintenance/verify.js';
import type { CommandContext } from '../command.js';
import { formatId, harmless } from '../output/format.js';
import type { Output } from '../output/output.js';
import { ProgressBar } from '../output/progress-bar.js';
import type { StyledText } from '../output/styled-text.js';
import { verifiedText } from '../output/verified.js';

const HELP = `
Nothing is changed. Each fault is one line with the context and the version, and makes the exit code 1.

Examples:
  chord verify /backups/monday
  chord verify ./data --json
`;

export function define(program: Command, { out }: CommandContext): void {
  program
    .command('verify <dir>')
    .description('check a data directory or backup that no server has open, and print its faults')
    .addHelpText('after', HELP)
    .action((directory: string) => verifyDirectory(out(), directory));
}

/** @throws Error for a faulty directory, after all faults are printed */
async function verifyDirectory(out: Output, directory: string): Promise<void> {
  const { verify } = await import('../../maintenance/verify.js');
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
    [['plain', `read ${verifiedText(verified)}: ${damages === 0 ? 'nothing is wrong' : `${damages} problems`}`]],
  ]);
  if (damages > 0) throw new Error(`${directory} is damaged: ${damages === 1 ? '1 problem' : `${damages} problems`}`);
}

function damageLine({ contextId, version, what }: Damage): StyledText {
  const at = version === undefined ? ': ' : ` version ${version}: `;
  return [
    ['cyan', contextId === undefined ? '' : formatId(contextId)],
    ['plain', contextId === undefined ? '' : at],
    ['red', harmless(what)],
  ];
}

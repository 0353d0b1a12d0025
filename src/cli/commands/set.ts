/** `set`: creates a context, or replaces its document. */
import type { Command } from 'commander';
import type { CommandContext } from '../command.js';
import { type WriteFlags, withWriteOptions, writeFields } from '../input/options.js';
import { parseDocument } from '../input/parse.js';
import { printWrite } from '../output/write-result.js';

const HELP = `
The document is a JSON object, @FILE, or - for standard input.

Examples:
  chord set room:1 '{"topic":"daily"}'
  chord set room:1 @room.json --ttl 6h
  curl -s https://example.com/room.json | chord set room:1 -
  chord set room:1 '{}' --expected absent
`;

export function define(program: Command, { connected }: CommandContext): void {
  withWriteOptions(program.command('set <id> <document>').description('create a context, or replace its document'))
    .addHelpText('after', HELP)
    .action((contextId: string, document: string, flags: WriteFlags) =>
      connected(async (session) => {
        const request = { contextId, value: parseDocument(document), ...writeFields(flags) };
        await printWrite(session.out, contextId, await session.call('setContext', request));
      }),
    );
}

/** `update`: merges a partial document, then applies mutations in the order of the command line. */
import type { Command } from 'commander';
import type { Mutation } from '../../gen/chord/v1/model.js';
import type { CommandContext } from '../command.js';
import { Usage } from '../errors.js';
import { option } from '../input/option.js';
import { CHECK_HELP, type WriteFlags, withWriteOptions, writeFields } from '../input/options.js';
import { type MutationKind, parseAssignment, parseDocument, parseMutation, parseTtl } from '../input/parse.js';
import { formatPath } from '../output/format.js';
import { printWrite } from '../output/write-result.js';

const HELP = `
The document is deep-merged: objects member by member, everything else replaces. null stores null;
only --remove removes. It is a JSON object, @FILE, or - for standard input.

A path is keys joined by dots: users.ann.name. Keys that hold dots, equals signs or spaces are written
as a JSON array: '["a.b","c"]'.

Examples:
  chord update room:1 '{"topic":"weekly"}'
  chord update room:1 --set users.ann='{"status":"here"}' --remove users.bob
  chord update room:1 --increment visits=1 --append 'log="ann came"' --delta
  chord update room:1 --splice 'log=0,10' --splice 'queue=2,1,"x","y"'
  chord update room:1 --append-text answer=' and so on' --splice-text 'title=0,5,Hello'
  chord update room:1 --set '["a.b","c"]=true' --expected k3J9x0Qa:42:Zz81hT0e
  chord update room:1 --set members.ann='{}' --ttl-of members.ann=30s
  chord update room:1 --set topic='"monthly"' --unchanged topic --since k3J9x0Qa:42:Zz81hT0e
  chord update shop --increment stock=-1 --check 'stock>=1' --check '!closed'

${CHECK_HELP}
`;

export function define(program: Command, { connected }: CommandContext): void {
  const mutations: ReturnType<typeof parseMutation>[] = [];
  const mutation = (kind: MutationKind, value: string, description: string) =>
    option(`--${kind} <${value}>`, description, (text) => void mutations.push(parseMutation(kind, text)));
  const times: ReturnType<typeof parseAssignment>[] = [];
  const command = program
    .command('update <id> [document]')
    .description('merge a partial document, then apply the flags in order');
  withWriteOptions(command)
    .addOption(mutation('set', 'path=json', 'set a value'))
    .addOption(mutation('remove', 'path', 'remove a member'))
    .addOption(mutation('increment', 'path=number', 'add to a number'))
    .addOption(mutation('append', 'path=json', 'add one element to a list'))
    .addOption(mutation('splice', 'path=index,remove[,json...]', 'remove elements of a list, and insert others there'))
    .addOption(
      option('--ttl-of <path=duration>', 'let the member that --set sets expire', (text) => {
        times.push(parseAssignment(text));
      }),
    )
    .addOption(mutation('append-text', 'path=text', 'add text to a string'))
    .addOption(
      mutation('splice-text', 'path=index,remove[,text]', 'remove code points of a string, and insert text there'),
    )
    .option('--allow-missing', 'start from {} where the context is missing')
    .addHelpText('after', HELP)
    .action((contextId: string, document: string | undefined, flags: WriteFlags) =>
      connected(async (session) => {
        const changes = document === undefined ? undefined : parseDocument(document);
        const { allowMissing = false } = flags;
        for (const time of times) expireAt(time, mutations);
        const request = { contextId, changes, mutations, allowMissing, ...writeFields(flags) };
        await printWrite(session.out, contextId, await session.call('updateContext', request));
      }),
    );
}

/** Gives the last `--set` of a path its time to live. */
function expireAt({ path, right }: ReturnType<typeof parseAssignment>, mutations: Mutation[]): void {
  const name = JSON.stringify(path);
  const set = mutations.findLast((each) => each.operation?.$case === 'set' && JSON.stringify(each.path) === name);
  if (!set) throw new Usage(`--ttl-of: no --set sets ${formatPath(path)}`);
  set.ttl = parseTtl(right);
}

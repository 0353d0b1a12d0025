/** `completion`: a script for a shell that completes commands and options, made from the commands themselves. */
import type { Command } from 'commander';
import type { CommandContext } from '../command.js';
import { Usage } from '../errors.js';
import { TOPICS } from '../topics.js';

const HELP = `
Examples:
  chord completion bash > ~/.local/share/bash-completion/completions/chord
  chord completion zsh > "\${fpath[1]}/_chord"
  chord completion fish > ~/.config/fish/completions/chord.fish
`;

const SHELLS: Readonly<Record<string, (program: Command) => string>> = { bash, zsh, fish };

export function define(program: Command, { out }: CommandContext): void {
  program
    .command('completion <shell>')
    .description(`print a script that completes commands and options: ${Object.keys(SHELLS).join(', ')}`)
    .addHelpText('after', HELP)
    .action(async (shell: string) => {
      const script = Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined;
      if (!script) throw new Usage(`no completion for ${shell}; there is ${Object.keys(SHELLS).join(', ')}`);
      await out().text(script(program).trimEnd());
    });
}

interface Word {
  readonly name: string;
  readonly description: string;
}

interface Words {
  /** The commands that lead here: none, `token`, `token new`. */
  readonly path: string;
  readonly options: readonly Word[];
  readonly commands: readonly Word[];
}

/** What can follow, for the program and each of its commands. A command takes the options of the program, too. */
function* wordsOf(program: Command, command = program, path: readonly string[] = []): Generator<Words> {
  const options = [...command.options, ...(command === program ? [] : program.options)];
  yield {
    path: path.join(' '),
    options: options.map(({ long, description }) => ({ name: long!, description })),
    commands: command === program ? [...commandsOf(program), HELP_COMMAND] : commandsOf(command),
  };
  for (const each of command.commands) yield* wordsOf(program, each, [...path, each.name()]);
  if (command === program) yield { path: 'help', options: [], commands: [...commandsOf(program), ...topics()] };
}

/** Commander has it without listing it. */
const HELP_COMMAND: Word = { name: 'help', description: 'print help for a command or topic' };

function commandsOf(command: Command): Word[] {
  if (command.name() === 'completion') return Object.keys(SHELLS).map((name) => ({ name, description: 'shell' }));
  return command.commands.map((each) => ({ name: each.name(), description: each.description() }));
}

function topics(): Word[] {
  return Object.entries(TOPICS).map(([name, { summary }]) => ({ name, description: summary }));
}

/** After options and their values, the words that are names of commands say which command it is. */
function bash(program: Command): string {
  const all = [...wordsOf(program)];
  const cases = all.map(({ path, options, commands }) => {
    const words = [...commands, ...options].map(({ name }) => name);
    return `    '${path}') words='${words.join(' ')}' ;;`;
  });
  const paths = all.map(({ path }) => `'${path}'`).slice(1);
  return `_chord() {
  local path= words= word longer
  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"; do
    longer="\${path:+$path }$word"
    case "$longer" in
      ${paths.join('|')}) path=$longer ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _chord chord
`;
}

/** zsh runs what is written for bash. The file is autoloaded at the first completion, which it must answer, too. */
function zsh(program: Command): string {
  const first = 'if [[ "$funcstack[1]" = _chord ]]; then _bash_complete -o default -F _chord; fi';
  return `#compdef chord\nautoload -U +X bashcompinit && bashcompinit\n${bash(program)}${first}\n`;
}

function fish(program: Command): string {
  const lines = [...wordsOf(program)].flatMap(({ path, options, commands }) => {
    const here = path === '' ? '__fish_use_subcommand' : `__fish_seen_subcommand_from ${path.split(' ').at(-1)}`;
    const text = (description: string) => `'${description.replaceAll(/['\\]/g, '\\$&')}'`;
    return [
      ...commands.map((each) => `complete -c chord -n '${here}' -f -a ${each.name} -d ${text(each.description)}`),
      ...options.map((each) => `complete -c chord -n '${here}' -l ${each.name.slice(2)} -d ${text(each.description)}`),
    ];
  });
  return lines.join('\n');
}

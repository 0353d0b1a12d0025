/** `chord completion`: scripts that a shell takes, with every command and its options. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { chord } from '../support/cli.js';

async function script(shell: string): Promise<string> {
  const { code, stdout, stderr } = await chord(['completion', shell]);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

/** The script in a file of its own folder. */
async function written(t: ExecutionContext, shell: string, name: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chord-completion-'));
  t.teardown(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, name), await script(shell));
  return join(folder, name);
}

function missing(shell: string): boolean {
  return spawnSync(shell, ['--version']).error !== undefined;
}

test('bash completes commands, their sub-commands and their options', async (t) => {
  const text = await script('bash');
  const complete = (...words: string[]) => {
    const typed = words.map((word) => `'${word}'`).join(' ');
    const run = `${text}\nCOMP_WORDS=(chord ${typed}); COMP_CWORD=${words.length}; _chord; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', run], { encoding: 'utf8' }).trim().split('\n');
  };
  t.deepEqual(complete('re'), ['revert', 'restore']);
  t.deepEqual(complete('update', 'room:1', '--s'), ['--since', '--set', '--splice', '--splice-text', '--server-name']);
  t.deepEqual(
    complete('token', ''),
    complete('token', '').filter((word) => /^(?:new|hash|--.*)$/.test(word)),
  );
  t.deepEqual(complete('--json', 'token', 'new', '--exp'), ['--expires']);
  t.deepEqual(complete('serve', '--metrics-'), ['--metrics-listen', '--metrics-insecure']);
  t.deepEqual(complete('top', '--on'), ['--once']);
  t.deepEqual(complete('he'), ['help']);
  t.deepEqual(complete('help', 're'), ['revert', 'restore', 'retention']);
  t.deepEqual(complete('completion', 'z'), ['zsh']);
});

test('fish completes commands, their sub-commands and their options', async (t) => {
  if (missing('fish')) {
    t.log('fish is not installed: its completion is not tried');
    t.pass();
    return;
  }
  const file = await written(t, 'fish', 'chord.fish');
  const complete = (typed: string) => {
    const run = `source '${file}'; complete -C 'chord ${typed}'`;
    const lines = execFileSync('fish', ['--no-config', '-c', run], { encoding: 'utf8' }).trim().split('\n');
    return lines.map((line) => line.split('\t')[0]);
  };
  t.deepEqual(complete('re'), ['restore', 'revert']);
  t.deepEqual(complete('update room:1 --s'), ['--server-name', '--set', '--since', '--splice', '--splice-text']);
  t.deepEqual(complete('token '), ['hash', 'new']);
  t.deepEqual(complete('--json token new --exp'), ['--expires']);
  t.deepEqual(complete('top --on'), ['--once']);
  t.deepEqual(complete('help re'), ['restore', 'retention', 'revert']);
  t.deepEqual(complete('completion z'), ['zsh']);
});

test('zsh completes at the first Tab, as it autoloads the script', async (t) => {
  if (missing('zsh')) {
    t.log('zsh is not installed: its completion is not tried');
    t.pass();
    return;
  }
  const folder = dirname(await written(t, 'zsh', '_chord'));
  const keys = String.raw`$'\t'`;
  const complete = (typed: string, whole: string) => `
zmodload zsh/zpty
zpty z zsh -f -i
zpty -w z "PROMPT=; fpath=('${folder}' $fpath); autoload -Uz compinit && compinit -u -D; echo REA''DY"
zpty -r z out '*READY*'
zpty -w -n z '${typed}'${keys}
zpty -r z out '*${whole}*' && print -r -- found
zpty -d z`;
  for (const [typed, whole] of [
    ['chord top --on', '--once'],
    ['chord token new --exp', '--expires'],
    ['chord serve --metrics-i', '--metrics-insecure'],
  ] as const) {
    const run = spawnSync('zsh', ['-f', '-c', complete(typed, whole)], { encoding: 'utf8', timeout: 30_000 });
    t.regex(run.stdout, /found/, `${typed}: ${run.stdout}${run.stderr}`);
  }
});

test('another shell is refused', async (t) => {
  const { code, stderr } = await chord(['completion', 'tcsh']);
  t.deepEqual([code, stderr], [2, 'chord: no completion for tcsh; there is bash, zsh, fish\n']);
});

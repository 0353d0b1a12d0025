/** `chord completion`: scripts that a shell takes, with every command and its options. */
import { execFileSync, spawnSync } from 'node:child_process';
import test from 'ava';
import { chord } from '../support/cli.js';

async function script(shell: string): Promise<string> {
  const { code, stdout, stderr } = await chord(['completion', shell]);
  if (code !== 0) throw new Error(stderr);
  return stdout;
}

test('bash completes commands, their sub-commands and their options', async (t) => {
  const text = await script('bash');
  const complete = (...words: string[]) => {
    const typed = words.map((word) => `'${word}'`).join(' ');
    const run = `${text}\nCOMP_WORDS=(chord ${typed}); COMP_CWORD=${words.length}; _chord; printf '%s\\n' "\${COMPREPLY[@]}"`;
    return execFileSync('bash', ['-c', run], { encoding: 'utf8' }).trim().split('\n');
  };
  t.deepEqual(complete('re'), ['revert', 'restore']);
  t.deepEqual(complete('update', 'room:1', '--s'), ['--set', '--splice', '--server-name']);
  t.deepEqual(
    complete('token', ''),
    complete('token', '').filter((word) => /^(?:new|hash|--.*)$/.test(word)),
  );
  t.deepEqual(complete('--json', 'token', 'new', '--exp'), ['--expires']);
  t.deepEqual(complete('serve', '--metrics-'), ['--metrics-listen', '--metrics-insecure']);
  t.deepEqual(complete('top', '--on'), ['--once']);
});

test('zsh and fish take their scripts, where they are installed', async (t) => {
  for (const shell of ['zsh', 'fish']) {
    const text = await script(shell);
    t.regex(
      text,
      shell === 'zsh' ? /^#compdef chord\n/ : /^complete -c chord -n '__fish_use_subcommand' -f -a serve -d /m,
    );
    const { error, status, stderr } = spawnSync(shell, ['-n'], { input: text, encoding: 'utf8' });
    if (error) t.log(`${shell} is not here`);
    else t.is(status, 0, stderr);
  }
});

test('another shell is refused', async (t) => {
  const { code, stderr } = await chord(['completion', 'tcsh']);
  t.deepEqual([code, stderr], [2, 'chord: no completion for tcsh; there is bash, zsh, fish\n']);
});

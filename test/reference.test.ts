/** The generated reference is what the protos, the commands and the settings say. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const SCRIPT = fileURLToPath(new URL('../scripts/reference.mjs', import.meta.url));

test('the reference and the man page are current', (t) => {
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, '--check'], { encoding: 'utf8' });
  t.is(status, 0, stderr);
});

/** `chord token`, and commands that show one. */
import { readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { ALL, folder, rulesOf } from '../support/access.js';
import { chord, Running, startServer } from '../support/cli.js';

const TOKEN = /^chord_[\w-]{43}\n$/;

test('new prints a token once, and keeps its hash', async (t) => {
  const file = join(await folder(t), 'tokens');
  const printed = await chord(['token', 'new', 'ann', '--expires', '90d']);
  t.is(printed.code, 0, printed.stderr);
  const [token, line, ...rest] = printed.stdout.split('\n');
  t.regex(`${token}\n`, TOKEN);
  t.regex(line!, /^ann sha256:[0-9a-f]{64} \d{4}-\d\d-\d\dT[\d:.]+Z$/);
  t.deepEqual(rest, ['']);
  const days = (Date.parse(line!.split(' ')[2]!) - Date.now()) / 86_400_000;
  t.true(days > 89.9 && days <= 90, `${days}`);

  await writeFile(file, '# people'); // without an end of line
  const added = await chord(['token', 'new', 'ann', '--file', file]);
  t.regex(added.stdout, TOKEN);
  t.is(added.stderr, `chord: added to ${file}. The token is printed only here\n`);
  t.regex(await readFile(file, 'utf8'), /^# people\nann sha256:[0-9a-f]{64}\n$/);
  t.false((await readFile(file, 'utf8')).includes(added.stdout.trim()));
  const json = JSON.parse((await chord(['--json', 'token', 'new', 'bob', '--file', file])).stdout);
  t.deepEqual([json.name, json.file, (await readFile(file, 'utf8')).endsWith(`${json.line}\n`)], ['bob', file, true]);
});

test('a token that ends at once is refused', async (t) => {
  const { code, stdout, stderr } = await chord(['token', 'new', 'ann', '--expires', '0']);
  t.deepEqual([code, stdout], [2, '']);
  t.regex(stderr, /^chord: --expires: expected a duration above 0/);
});

test('a new file is for its owner alone', async (t) => {
  const file = join(await folder(t), 'tokens');
  await chord(['token', 'new', 'ann', '--file', file]);
  t.is((await stat(file)).mode & 0o777, 0o600);
});

test('hash takes a token of one’s own, and neither a weak one nor one twice', async (t) => {
  const file = join(await folder(t), 'tokens');
  const own = 'ab'.repeat(32);
  const hash = (input: string, ...args: string[]) => chord(['token', 'hash', ...args], input);
  t.regex((await hash(`${own}\n`, 'ann')).stdout, /^ann sha256:[0-9a-f]{64}\n$/);
  t.is((await hash(own, 'ann', '--file', file)).code, 0);
  const twice = await hash(own, 'bob', '--file', file);
  t.deepEqual([twice.code, twice.stderr], [2, `chord: ${file}: line 2: this token stands in the file already\n`]);
  const weak = await hash('secret', 'bob');
  t.deepEqual([weak.code, weak.stderr], [2, 'chord: a token has at least 32 characters, all of them random\n']);
  t.is((await chord(['token', 'new', 'an n', '--file', file])).code, 2);
  t.is((await readFile(file, 'utf8')).split('\n').length, 2);
});

test('commands show the token of a file or of the environment', async (t) => {
  const at = await folder(t);
  const [tokens, rules, shown] = [join(at, 'tokens'), join(at, 'rules.json'), join(at, 'ann.token')];
  await writeFile(rules, rulesOf({ ann: { 'room:': ALL } }));
  await writeFile(shown, (await chord(['token', 'new', 'ann', '--file', tokens])).stdout);
  const memory = ['--listen', '127.0.0.1:0', '--backend', 'memory'];
  const server = await startServer(...memory, '--auth-tokens', tokens, '--auth-rules', rules);
  t.teardown(() => server.end('SIGTERM'));
  const call = (args: string[], env = {}) => chord(['--address', server.address, ...args], '', env);

  t.is((await call(['set', 'room:1', '{"n":1}', '--token-file', shown])).code, 0);
  t.is((await call(['get', 'room:1'], { CHORD_TOKEN_FILE: shown })).code, 0);
  const token = (await readFile(shown, 'utf8')).trim();
  t.is((await call(['get', 'room:1'], { CHORD_TOKEN: token })).code, 0);
  const watching = new Running(['--address', server.address, 'watch', 'room:*', '--token-file', shown]);
  t.regex(await watching.line(), /^room:1 1 = /);

  const denied = await call(['get', 'team:1', '--token-file', shown]);
  t.is(denied.code, 1);
  t.is(
    denied.stderr,
    `chord: PERMISSION_DENIED: no right to read "team:1" (rights are given in the server's --auth-rules file)\n`,
  );
  const unknown = await call(['get', 'room:1', '--json']);
  t.is(unknown.code, 1);
  t.deepEqual(JSON.parse(unknown.stderr), {
    error: {
      reason: 'UNAUTHENTICATED',
      message: 'authentication is required: send the metadata "authorization: Bearer TOKEN"',
      hint: 'show a token with --token-file FILE, CHORD_TOKEN_FILE or CHORD_TOKEN',
    },
  });
  const two = await call(['get', 'room:1'], { CHORD_TOKEN: 'one two' });
  t.deepEqual([two.code, two.stderr.includes('one two')], [2, false]);
  t.is((await call(['get', 'room:1', '--token-file', join(at, 'none')])).code, 2);

  // The file has a new token by the time that the old one is refused.
  const next = JSON.parse((await chord(['--json', 'token', 'new', 'ann'])).stdout);
  await writeFile(shown, next.token);
  await writeFile(tokens, next.line);
  await watching.said('connected again');
  t.is((await call(['set', 'room:1', '{"n":2}', '--token-file', shown])).code, 0);
  t.regex(await watching.line(), /^room:1 2 /);

  await writeFile(tokens, '');
  const { code, stderr } = await watching.end();
  t.is(code, 1);
  t.regex(stderr, /^chord: UNAUTHENTICATED: the token is not accepted/m);
});

test('--secret-file keeps the token from the terminal, in a new file for its owner alone', async (t) => {
  const directory = await folder(t);
  const [file, secret] = [join(directory, 'tokens'), join(directory, 'ann.token')];
  const made = await chord(['token', 'new', 'ann', '--file', file, '--secret-file', secret]);
  t.deepEqual(made, { code: 0, stdout: '', stderr: `chord: added to ${file}. The token is in ${secret}\n` });
  t.regex(await readFile(secret, 'utf8'), TOKEN);
  t.is((await stat(secret)).mode & 0o777, 0o600);
  const again = await chord(['token', 'new', 'ann', '--file', file, '--secret-file', secret]);
  t.is(again.code, 2);
  t.regex(again.stderr, /^chord: the token cannot be written: EEXIST/);
  t.is((await readFile(file, 'utf8')).split('\n').length, 2, 'nothing was added');
  const json = await chord(['--json', 'token', 'new', 'bob', '--file', file, '--secret-file', `${secret}2`]);
  t.false(json.stdout.includes((await readFile(`${secret}2`, 'utf8')).trim()));
  t.is((await chord(['token', 'new', 'a b', '--secret-file', `${secret}3`])).code, 2);
  await t.throwsAsync(stat(`${secret}3`), { code: 'ENOENT' });
});

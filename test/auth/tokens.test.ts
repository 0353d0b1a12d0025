/** The file of static tokens. */
import test from 'ava';
import { digestOf, newToken, Tokens, tokenLine } from '../../src/auth/tokens.js';

test('a token is found by its hash alone, with its name and its end', (t) => {
  const [ann, next, bob] = [newToken(), newToken(), newToken()];
  const until = Date.UTC(2027, 2, 1);
  const file = `# people\r\n\n  ${tokenLine('ann', ann)}\r\n${tokenLine('ann', next, until)} \n${tokenLine('bob', bob)}`;
  t.false([ann, next, bob].some((token) => file.includes(token)));
  const tokens = Tokens.parse(file);
  t.deepEqual(tokens.find(digestOf(ann)), { name: 'ann', kind: 'token' });
  t.deepEqual(tokens.find(digestOf(next)), { name: 'ann', kind: 'token', expiresAt: until });
  t.deepEqual(tokens.find(digestOf(bob)), { name: 'bob', kind: 'token' });
  t.is(tokens.find(digestOf(newToken())), undefined);
});

test('hashes that begin alike are told apart', (t) => {
  const digest = digestOf(newToken());
  const other = digest.slice(0, 63) + (digest.endsWith('0') ? '1' : '0');
  t.is(Tokens.parse(`ann sha256:${digest}`).find(other), undefined);
  const both = Tokens.parse(`ann sha256:${digest}\nbob sha256:${other}`);
  t.deepEqual([both.find(digest)?.name, both.find(other)?.name], ['ann', 'bob']);
});

test('tokens are random, and are known as what they are', (t) => {
  t.regex(newToken(), /^chord_[\w-]{43}$/);
  t.not(newToken(), newToken());
});

test('everything that is wrong with the file is told, with its line', (t) => {
  const digest = digestOf('x');
  const lines = [
    `ann sha256:${digest}`,
    'ann secret',
    `bob sha256:${digest}`,
    `* sha256:${digestOf('y')}`,
    `eve sha256:${digestOf('z')} tomorrow`,
    `eve sha256:${digestOf('z')} 2027-03-01T00:00:00`,
    `eve sha256:${digestOf('z')} 2027-13-01T00:00:00Z`,
    `eve sha256:${digestOf('z')} 2027-03-01T00:00:00Z more`,
    `e\u202eve sha256:${digestOf('z')}`,
    `${'n'.repeat(257)} sha256:${digestOf('z')}`,
    `eve sha256:${digestOf('z').slice(1)}`,
  ];
  const problems = t.throws(() => Tokens.parse(lines.join('\n')), { name: 'Problems' })!.message.split('\n');
  const form = 'expected: NAME sha256:64-HEX-DIGITS [UNTIL], as `chord token new` prints it';
  t.deepEqual(problems, [
    `line 2: ${form}`,
    'line 3: this token stands in the file already',
    'line 4: * means every caller in rules, and cannot be a name',
    'line 5: tomorrow is no time like 2027-03-01T00:00:00Z',
    'line 6: 2027-03-01T00:00:00 is no time like 2027-03-01T00:00:00Z',
    'line 7: 2027-13-01T00:00:00Z is no time like 2027-03-01T00:00:00Z',
    `line 8: ${form}`,
    'line 9: a name has no invisible characters',
    'line 10: a name has at most 256 characters',
    `line 11: ${form}`,
  ]);
});

test('no line is made of a token that somebody thought of, or of a name that is no word', (t) => {
  t.throws(() => tokenLine('ann', 'correct horse battery staple and so on'), { message: /letters, digits/ });
  t.throws(() => tokenLine('ann', 'hunter2'), { message: /at least 32 characters/ });
  t.throws(() => tokenLine('ann smith', newToken()), { message: /no spaces/ });
  t.throws(() => tokenLine('#ann', newToken()), { message: /no #/ });
});

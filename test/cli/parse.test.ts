import test from 'ava';
import fc from 'fast-check';
import { Usage } from '../../src/cli/errors.js';
import * as parse from '../../src/cli/input/parse.js';
import { formatPath, formatPosition } from '../../src/cli/output/format.js';

const refused = { instanceOf: Usage };

test('a path is keys joined by dots, or a JSON array of keys', (t) => {
  t.deepEqual(parse.parsePath('users.ann.name'), ['users', 'ann', 'name']);
  t.deepEqual(parse.parsePath('["a.b","","c=d"]'), ['a.b', '', 'c=d']);
  t.deepEqual(parse.parsePath('__proto__.constructor'), ['__proto__', 'constructor']);
  for (const text of ['', '.', 'a..b', 'a.', '[]', '[1]', '["a"', '[["a"]]']) {
    t.throws(() => parse.parsePath(text), refused, text);
  }
});

test('every path reads back from how it is printed', (t) => {
  const key = fc.oneof(
    fc.string(),
    fc.string({ unit: 'binary' }),
    fc.constantFrom('', 'a.b', '[x', 'a=b', '__proto__'),
  );
  fc.assert(
    fc.property(fc.array(key, { minLength: 1, maxLength: 5 }), (path) => {
      t.deepEqual(parse.parsePath(formatPath(path)), path);
    }),
  );
});

test('an assignment is split after its path, whatever the path and the value hold', (t) => {
  t.deepEqual(parse.parseAssignment('a.b="x=y"'), { path: ['a', 'b'], right: '"x=y"' });
  t.deepEqual(parse.parseAssignment('["a=b","c\\"=d"]=[1]'), { path: ['a=b', 'c"=d'], right: '[1]' });
  t.deepEqual(parse.parseAssignment('a='), { path: ['a'], right: '' });
  for (const text of ['a', '', '=1', '["a"', '["a"=1']) t.throws(() => parse.parseAssignment(text), refused, text);
  fc.assert(
    fc.property(fc.array(fc.string(), { minLength: 1 }), fc.string(), (path, right) => {
      t.deepEqual(parse.parseAssignment(`${formatPath(path)}=${right}`), { path, right });
    }),
  );
});

test('mutations', (t) => {
  t.deepEqual(parse.parseMutation('set', 'a=null'), { path: ['a'], operation: { $case: 'set', value: null } });
  t.deepEqual(parse.parseMutation('remove', 'a.b'), { path: ['a', 'b'], operation: { $case: 'remove', value: true } });
  t.deepEqual(parse.parseMutation('increment', 'n=-1.5'), {
    path: ['n'],
    operation: { $case: 'increment', value: -1.5 },
  });
  t.deepEqual(parse.parseMutation('append', 'l=[1]'), {
    path: ['l'],
    operation: { $case: 'append', value: { values: [[1]] } },
  });
  t.deepEqual(parse.parseMutation('splice', 'a.l=2,1,"x",{"n":[1]}'), {
    path: ['a', 'l'],
    operation: { $case: 'splice', value: { index: 2, removeCount: 1, insert: ['x', { n: [1] }] } },
  });
  for (const text of ['l=', 'l=1', 'l=1,', 'l=-1,0', 'l=0,1.5', 'l=0,"1"', 'l=0,1,x']) {
    t.throws(() => parse.parseMutation('splice', text), refused, text);
  }
  t.deepEqual(parse.parseMutation('append-text', 'a=  "b", c=\n'), {
    path: ['a'],
    operation: { $case: 'appendText', value: '  "b", c=\n' },
  });
  t.deepEqual(parse.parseMutation('splice-text', 'a=2,1,b, c\n'), {
    path: ['a'],
    operation: { $case: 'spliceText', value: { index: 2, removeCount: 1, insert: 'b, c\n' } },
  });
  t.like(parse.parseMutation('splice-text', 'a=2,1'), { operation: { value: { insert: '' } } });
  for (const text of ['a=', 'a=1', 'a=1,', 'a=-1,0', 'a=0,1.5', 'a=0,1,\ud834']) {
    t.throws(() => parse.parseMutation('splice-text', text), refused, text);
  }
  const large = '9007199254740993';
  const wrong = [
    '',
    'x',
    'Infinity',
    'NaN',
    '1e400',
    '0x10',
    '0x20000000000001',
    '0b11',
    '1_0',
    large,
    ` ${large}`,
    `+${large}`,
  ];
  for (const text of wrong) t.throws(() => parse.parseMutation('increment', `n=${text}`), refused, text);
  for (const [text, value] of Object.entries({ ' 5 ': 5, '+1.5': 1.5, '.5': 0.5, '-2e3': -2000 })) {
    t.like(parse.parseMutation('increment', `n=${text}`), { operation: { value } });
  }
  t.throws(() => parse.parseMutation('set', 'a=word'), { ...refused, message: /a string needs its quotes/ });
});

test('a document is a JSON object', (t) => {
  t.deepEqual(parse.parseDocument('{"a":[1,null]}'), { a: [1, null] });
  t.true(Object.hasOwn(parse.parseDocument('{"__proto__":1}'), '__proto__'));
  for (const text of ['', '[]', 'null', '"a"', '{', '@/nowhere/at/all']) {
    t.throws(() => parse.parseDocument(text), refused, text);
  }
});

test('positions read back from how they are printed; a version alone is one too', (t) => {
  const position = { epoch: 'k3J9x0Qa', version: 42, digest: 'Zz_1-T0e' };
  t.is(formatPosition(position), 'k3J9x0Qa:42:Zz_1-T0e');
  t.deepEqual(parse.parsePosition('k3J9x0Qa:42:Zz_1-T0e'), position);
  t.deepEqual(parse.parsePosition('42'), { epoch: '', version: 42, digest: '' });
  for (const text of ['', 'a', 'a:1', '1:a', 'a:b:c', ':1:', 'a:1:b:c', '-1', '1.5']) {
    t.throws(() => parse.parsePosition(text), refused, text);
  }
});

test('an expectation is a position, a version, or absent', (t) => {
  t.deepEqual(parse.parseExpected('absent'), { condition: { $case: 'absent', value: true }, checks: [] });
  t.deepEqual(parse.parseExpected('7'), { condition: { $case: 'version', value: 7 }, checks: [] });
  t.deepEqual(parse.parseExpected('e:7:d'), {
    condition: { $case: 'position', value: { epoch: 'e', version: 7, digest: 'd' } },
    checks: [],
  });
});

test('known positions name their context, which may hold equals signs', (t) => {
  t.deepEqual(parse.parseKnown('a=b=e:7:d'), ['a=b', { epoch: 'e', version: 7, digest: 'd' }]);
  t.throws(() => parse.parseKnown('e:7:d'), refused);
});

test('a time to live is a duration with its nanoseconds', (t) => {
  t.deepEqual(parse.parseTtl('1500ms'), { seconds: 1, nanos: 500_000_000 });
  t.deepEqual(parse.parseTtl('0'), { seconds: 0, nanos: 0 });
  t.throws(() => parse.parseTtl('15'), refused);
});

test('a target is an id, or a prefix where it ends in a star', (t) => {
  t.deepEqual(parse.parseTarget('room:1'), { kind: 'id', name: 'room:1' });
  t.deepEqual(parse.parseTarget('user:*'), { kind: 'prefix', name: 'user:' });
  t.deepEqual(parse.parseTarget('*'), { kind: 'prefix', name: '' });
  t.deepEqual(parse.parseTarget('star\\*'), { kind: 'id', name: 'star*' });
});

test('a lifetime is more than nothing', (t) => {
  t.is(parse.parseLifetime('1h'), 3_600_000);
  t.throws(() => parse.parseLifetime('0'), { ...refused, message: /above 0/ });
});

test('a time has its zone', (t) => {
  t.deepEqual(parse.parseTime('1970-01-01T00:00:01.5Z'), { seconds: 1, nanos: 500_000_000 });
  t.deepEqual(parse.parseTime('2026-11-01T12:00+01:00'), parse.parseTime('2026-11-01 11:00:00Z'));
  for (const text of ['2026-11-01', '2026-11-01T12:00', 'now', '2026-13-01T12:00Z', '1e3', '']) {
    t.throws(() => parse.parseTime(text), { message: /expected a time like/ }, text);
  }
});

/** JSON as it is typed: what would be stored otherwise is refused, with its place. */
import test from 'ava';
import fc from 'fast-check';
import { Usage } from '../../src/cli/errors.js';
import { parseJson } from '../../src/cli/input/json.js';

test('what is JSON and fits a document is read as JSON.parse reads it', (t) => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 8 }), fc.constantFrom(0, 2), (text, indent) => {
      const value: unknown = JSON.parse(text);
      const spaced = ` ${JSON.stringify(value, null, indent)}\n`;
      t.deepEqual(parseJson(spaced), value);
    }),
  );
  const exact = '[9007199254740992,-9007199254740992,9007199254740994,1e300,0.1,-0,100000000000000000000]';
  t.deepEqual(parseJson(exact), JSON.parse(exact));
  t.true(Object.hasOwn(parseJson('{"__proto__":1}') as object, '__proto__'));
});

test('what is no JSON is refused, as JSON.parse refuses it', (t) => {
  const damaged = fc.tuple(fc.json({ maxDepth: 3 }), fc.nat(), fc.string({ maxLength: 2 })).map(([text, at, other]) => {
    const where = at % (text.length + 1);
    return text.slice(0, where) + other + text.slice(where + 1);
  });
  fc.assert(
    fc.property(damaged, (text) => {
      let valid = true;
      try {
        JSON.parse(text);
      } catch {
        valid = false;
      }
      // A valid one may still be refused: a key that stands twice, say.
      if (!valid) t.throws(() => parseJson(text), { instanceOf: Usage }, text);
    }),
    { numRuns: 1000 },
  );
});

const CASES: readonly [text: string, message: string][] = [
  ['{"e":1e400}', '1e400 is larger than a double can be (line 1, column 6 in ["e"])'],
  [
    '{"a":[1,\n  9007199254740993]}',
    '9007199254740993 would be stored as 9007199254740992: write a larger integer than 2^53 as a string (line 2, column 3 in ["a",1])',
  ],
  [
    '[-9007199254740993.0]',
    '-9007199254740993.0 would be stored as -9007199254740992: write a larger integer than 2^53 as a string (line 1, column 2 in [0])',
  ],
  ['{"a":"\\ud800"}', 'a string with half of a surrogate pair (line 1, column 6 in ["a"])'],
  ['{"\\udc00":1}', 'a string with half of a surrogate pair (line 1, column 2)'],
  ['{"a":{"b":1,\n "b":2}}', 'the key "b" stands twice in one object (line 2, column 2 in ["a"])'],
  ['{"a":1,}', 'expected a key in double quotes (line 1, column 8)'],
  ['{"a":1', 'expected , or } (line 1, column 7)'],
  ['{"a" 1}', 'expected : (line 1, column 6)'],
  ['[1 2]', 'expected , or ] (line 1, column 4)'],
  ['{}x', 'expected the end (line 1, column 3)'],
  ['[01]', 'expected , or ] (line 1, column 3 in [0])'],
  ['"a', 'a string without an end (line 1, column 1)'],
  ['"a\\', 'a string without an end (line 1, column 1)'],
  ['"\\x"', 'a string with a wrong escape, or with a control character (line 1, column 1)'],
  ['', 'expected a value (line 1, column 1)'],
];

for (const [text, message] of CASES) {
  test(`refuses ${JSON.stringify(text)}`, (t) => {
    t.is(
      t.throws(() => parseJson(text), { instanceOf: Usage })?.message.replace(' in [0])', ')'),
      message.replace(' in [0])', ')'),
    );
  });
}

test('a document nests 32 levels, what is put into one as many less as stand above it', (t) => {
  const nested = (levels: number) => `${'[{"a":'.repeat(levels / 2)}1${'}]'.repeat(levels / 2)}`;
  t.notThrows(() => parseJson(nested(32)));
  t.throws(() => parseJson(nested(34)), {
    instanceOf: Usage,
    message: /^nests deeper than 32 levels \(line 1, column 97/,
  });
  t.notThrows(() => parseJson(nested(30), { depth: 2 }));
  t.throws(() => parseJson(nested(32), { depth: 2 }), { instanceOf: Usage });
  t.throws(() => parseJson('['.repeat(1_000_000)), { instanceOf: Usage });
});

test('a string of megabytes is read, and one without an end refused at once', (t) => {
  const long = JSON.stringify('é\\"'.repeat(1_000_000));
  t.is(parseJson(long), JSON.parse(long));
  t.throws(() => parseJson(long.slice(0, -1)), { instanceOf: Usage });
});

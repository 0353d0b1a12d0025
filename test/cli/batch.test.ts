import test from 'ava';
import { parseBatch } from '../../src/cli/input/parse-batch.js';
import { chord, type Server, startServer } from '../support/cli.js';

let server: Server;

test.before(async () => {
  server = await startServer('--backend', 'memory', '--listen', '127.0.0.1:0');
});
test.after.always(() => server?.end('SIGTERM'));

const run = (input: string, ...args: string[]) => chord(['--address', server.address, ...args], input);
const POSITION = '[\\w-]{8}:\\d+:[\\w-]{8}';
const lines = (...writes: object[]) => writes.map((write) => JSON.stringify(write)).join('\n');

test('every kind of write, from lines', async (t) => {
  for (const id of ['update', 'delete', 'touch', 'revert']) await run('', 'set', id, '{"n":1,"list":["a","b"]}');
  const { stdout, stderr, code } = await run(
    lines(
      { set: 'set', value: { n: 1 }, expected: 'absent', ttl: '6h' },
      {
        update: 'update',
        changes: { topic: 'x' },
        mutations: [
          { increment: 'n', by: 2 },
          { set: ['a.b', 'c'], value: null },
          { append: 'list', values: ['c'] },
          { splice: 'list', index: 0, remove: 1, insert: ['z'] },
          { appendText: 'topic', text: ' y' },
          { spliceText: ['topic'], index: 0, remove: 1, insert: 'ü' },
          { remove: 'missing' },
        ],
      },
      { delete: 'delete' },
      { delete: 'none', allowMissing: true },
      { touch: 'touch', ttl: '1h' },
      { revert: 'revert', version: 1 },
    ),
    'batch',
    '-',
    '--delta',
  );
  t.is(stderr, '');
  t.is(code, 0);
  t.regex(
    stdout,
    new RegExp(
      [
        `^set changed, now at ${POSITION}`,
        '\\+ n = 1',
        `update changed, now at ${POSITION}`,
        '[^]*',
        `delete deleted, stood at ${POSITION}`,
        'none did not exist',
        'touch expires at .*Z',
        `revert unchanged at ${POSITION}`,
        '$',
      ].join('\n'),
    ),
  );
  const { stdout: document } = await run('', 'get', 'update', '--json');
  t.deepEqual(JSON.parse(document).value, { n: 3, list: ['z', 'b', 'c'], topic: 'ü y', 'a.b': { c: null } });
});

test('from an array, with an id, as JSON; what is refused says which write', async (t) => {
  const batch = JSON.stringify([
    { set: 'x', value: { n: 1 } },
    { set: 'y', value: { n: 2 } },
  ]);
  const first = await run(batch, 'batch', '-', '--request-id', 'r', '--json');
  const answers = first.stdout
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  t.like(answers, [
    { contextId: 'x', changed: true },
    { contextId: 'y', changed: true },
  ]);
  t.is((await run(batch, 'batch', '-', '--request-id', 'r', '--json')).stdout, first.stdout);
  const refused = await run(lines({ set: 'x', value: {} }, { update: 'none' }), 'batch', '-');
  t.is(refused.code, 1);
  t.regex(refused.stderr, /NOT_FOUND: writes\[1\]\.update: there is no context "none"/);
  t.is((await run('', 'get', 'x')).stdout.includes('1'), true);
});

test('what is no batch is refused here, with its place', (t) => {
  const returning = { context: false, delta: false, oldValues: false, format: '' };
  for (const [text, message] of [
    ['{"set":"a"}\n{nonsense', /^wrong JSON: expected a key in double quotes \(line 2, column 2\)/],
    ['{"set":"a"}\n{"set":"b","value":{"n":1e400}}', /^wrong JSON: 1e400 .*\(line 2, column 25 in \["value","n"\]\)/],
    ['{"delete":"a","allowMissing":"yes"}', /^write 1: "allowMissing" is true or false/],
    ['{"update":"a","allowMissing":1}', /^write 1: "allowMissing" is true or false/],
    ['[1]', /^write 1: expected an object with one of set, update, revert, delete, touch/],
    ['{"set":"a","delete":"b"}', /^write 1: expected an object with one of set/],
    ['{"set":7}', /^write 1: "set" is the id of a context/],
    ['{"set":"a","value":[]}', /^write 1: "value" is an object/],
    ['{"set":"a","ttl":5}', /^write 1: "ttl" is a string/],
    ['{"set":"a","ttl":"soon"}', /^write 1: ttl: expected a duration/],
    ['{"revert":"a"}', /^write 1: "version" is a number/],
    ['{"update":"a","mutations":[{"increment":"n"}]}', /^write 1: mutation 1: "by" is a number/],
    ['{"update":"a","mutations":[{"remove":"a..b"}]}', /^write 1: mutation 1: "a\.\.b" is no path/],
    ['{"delete":"a","value":{}}', /^write 1: "value" is not known/],
  ] as const) {
    t.throws(() => parseBatch(text, returning), { message }, text);
  }
  t.deepEqual(parseBatch('', returning), []);
});

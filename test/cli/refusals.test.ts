/** What the command refuses before anything is sent, and what it says where a server, or what a server needs, is away. */
import { spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Metadata, Server, ServerCredentials } from '@grpc/grpc-js';
import test from 'ava';
import { ContextServiceService } from '../../src/gen/chord/v1/context_service.js';
import { toStatus } from '../../src/grpc/status.js';
import { ChordError } from '../../src/model/errors.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { chord, MAIN } from '../support/cli.js';

/** Where no server is: a request that was sent would be UNAVAILABLE, and the exit code 1. */
const NOWHERE = ['--address', '127.0.0.1:1'];

test('a mistake in a document is wrong usage, and nothing is sent', async (t) => {
  const deep = `${'{"a":'.repeat(33)}1${'}'.repeat(33)}`;
  const bytes = join(await temporaryDirectory(t), 'latin1.json');
  await writeFile(bytes, Buffer.from('{"a":"caf\u00e9"}', 'latin1'));
  const cases: readonly [args: string[], said: RegExp][] = [
    [['set', 'a', '{"e":1e400}'], /1e400 is larger than a double can be \(line 1, column 6 in \["e"\]\)/],
    [['set', 'a', '{"s":"\\ud800"}'], /half of a surrogate pair/],
    [['set', 'a', deep], /nests deeper than 32 levels/],
    [['update', 'a', '--set', `a.b=${'['.repeat(31)}${']'.repeat(31)}`], /--set: .*nests deeper than 32 levels/],
    [['set', 'a', '{"n":9007199254740993}'], /would be stored as 9007199254740992/],
    [['update', 'a', '--increment', 'n=9007199254740993'], /--increment: .*would be stored as 9007199254740992/],
    [['set', 'a', '{"n":1,"n":2}'], /the key "n" stands twice/],
    [['set', 'a', `@${bytes}`], /latin1\.json is not UTF-8: byte 10/],
  ];
  for (const [args, said] of cases) {
    const { code, stderr } = await chord([...NOWHERE, ...args]);
    t.is(code, 2, stderr);
    t.regex(stderr, said);
  }
  const levels = JSON.stringify({ set: 'a', value: JSON.parse(deep) });
  const batch = await chord([...NOWHERE, 'batch', '-'], levels);
  t.deepEqual([batch.code, /32 levels/.test(batch.stderr)], [2, true], batch.stderr);
});

test('options that no call could be made of are wrong usage, and nothing is sent', async (t) => {
  const cases: readonly [args: string[], said: RegExp][] = [
    ...['http://localhost:1', ':50051', 'a b:1', 'localhost:0', 'localhost:65536', ''].map(
      (address): [string[], RegExp] => [
        ['get', 'a', '--address', address],
        /--address: expected HOST:PORT or HOST, got/,
      ],
    ),
    [['get', 'a', '--timeout', '99999999999999d'], /--timeout: expected a duration/],
    [['get', 'a', '--timeout', '40000d'], /--timeout: expected at most 100 years/],
    [['touch', 'a', '--ttl', '99999999999999d'], /--ttl: expected a duration/],
    [['set', 'a', '{}', '--request-id', ''], /--request-id: must not be empty/],
    [['delete', 'a', '--request-id', ''], /--request-id: must not be empty/],
    [['batch', '-', '--request-id', ''], /--request-id: must not be empty/],
  ];
  for (const [args, said] of cases) {
    const { code, stderr } = await chord([...NOWHERE, ...args]);
    t.is(code, 2, stderr);
    t.regex(stderr, said);
  }
  for (const address of ['dns:///localhost:1', 'dns:localhost:1', 'ipv4:127.0.0.1:1', '[::1]:1', 'dns:1']) {
    t.is((await chord(['get', 'a', '--timeout', '5s', '--address', address])).code, 1, address);
  }
});

test('output that cannot be written is a failure that is told', async (t) => {
  const full = spawnSync('bash', ['-c', `'${process.execPath}' '${MAIN}' help paths >/dev/full`], { encoding: 'utf8' });
  t.is(full.status, 1);
  t.regex(full.stderr, /^chord: cannot write the output: .*ENOSPC/);
});

test('where a server answers UNAVAILABLE the hint does not say that it is away', async (t) => {
  const server = new Server();
  const away = toStatus(new ChordError('UNAVAILABLE', 'Redis does not answer'), () => t.fail());
  server.addService(ContextServiceService, {
    getContext: (_: unknown, answer: (error: object) => void) =>
      answer({ ...away, metadata: away.metadata ?? new Metadata() }),
  } as never);
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  t.teardown(() => server.forceShutdown());
  const { stderr } = await chord(['get', 'a', '--address', `127.0.0.1:${port}`]);
  t.is(stderr, `chord: UNAVAILABLE: Redis does not answer (127.0.0.1:${port} answered so; try again)\n`);
  t.regex((await chord([...NOWHERE, 'get', 'a'])).stderr, /is the server there\?/);
});

test('an address without a port has the usual one, and none that cannot be read is called', async (t) => {
  for (const [given, called] of [
    ['nowhere.invalid', 'nowhere.invalid:50051'],
    ['[::1]', '[::1]:50051'],
  ]) {
    const { stderr } = await chord(['get', 'a', '--timeout', '5s', '--address', given!]);
    t.true(stderr.includes(called!), stderr);
  }
  for (const given of ['::1', 'a b', 'http//x', '']) {
    const { code, stderr } = await chord(['get', 'a', '--address', given]);
    t.is(code, 2, stderr);
    t.regex(stderr, /--address: expected HOST:PORT or HOST/);
  }
});

test('help for a command that there is none of says so', async (t) => {
  const { code, stdout, stderr } = await chord(['help', 'wach']);
  t.deepEqual(
    { code, stdout, stderr },
    { code: 2, stdout: '', stderr: 'chord: there is no command or topic wach; did you mean watch?\n' },
  );
  t.regex((await chord(['help', 'watch'])).stdout, /^Usage: chord watch/);
  for (const path of ['cleanup run', 'token new']) {
    const words = path.split(' ');
    const { code, stdout } = await chord(['help', ...words]);
    t.deepEqual([code, stdout], [0, (await chord([...words, '--help'])).stdout]);
    t.true(stdout.startsWith(`Usage: chord ${path}`), stdout);
  }
});

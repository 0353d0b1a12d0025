/** `serve --plugin`, with the example of the repository. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { chord, startServer } from '../support/cli.js';

const EXAMPLE = fileURLToPath(new URL('../../examples/formats.js', import.meta.url));
const MEMORY = ['--backend', 'memory', '--listen', '127.0.0.1:0'];

test("the example's formats, by name and per request", async (t) => {
  const server = await startServer(...MEMORY, '--plugin', EXAMPLE);
  t.teardown(() => server.end('SIGTERM'));
  const ok = async (...args: string[]) => {
    const { code, stdout, stderr } = await chord(['--address', server.address, '--json', ...args]);
    t.is(code, 0, stderr);
    return JSON.parse(stdout);
  };
  await ok('set', 'room:1', '{"topic":"daily","list":[1,2,3],"users":{"ann":{"status":"here"}}}');
  const change = ['update', 'room:1', '{"topic":"weekly"}', '--append', 'list=4', '--remove', 'users.ann'];
  const { delta } = await ok(...change, '--delta', '--format', 'lines');
  t.deepEqual(delta.formatted.sort(), [
    'room:1 list[3]: 0 gone, new are [4]',
    'room:1 topic: "weekly"',
    'room:1 users.ann: gone',
  ]);
  const synced = await ok('sync', 'room:1', '--known', '1', '--format', 'values');
  t.deepEqual(synced.formatted, { topic: 'weekly', list: [1, 2, 3, 4], 'users.ann': null });
});

test('a clock and a store of one own', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chord-plugin-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const file = join(folder, 'mine.mjs');
  const memory = new URL('../../dist/store/memory.js', import.meta.url).href;
  await writeFile(
    file,
    `import { openMemory } from '${memory}';\nexport default { clock: () => 86_400_000, store: () => openMemory() };\n`,
  );
  const server = await startServer('--listen', '127.0.0.1:0', '--plugin', file);
  t.teardown(() => server.end('SIGTERM'));
  t.true(server.ready.includes(`the store of ${file}`), server.ready);
  await chord(['--address', server.address, 'set', 'a', '{}']);
  const { stdout } = await chord(['--address', server.address, '--json', 'get', 'a']);
  t.is(JSON.parse(stdout).updatedAt, '1970-01-02T00:00:00.000Z');
});

test('what is no plugin is refused, in one line', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'chord-plugin-'));
  t.teardown(() => rm(folder, { recursive: true }));
  const cases: [string, RegExp][] = [
    ['export const a = 1;', /default export is not an object with store, provider, clock, formatters/],
    ['export default 5;', /default export is not an object/],
    ['export default { formaters: {} };', /unknown formaters; it may export store, provider, clock, formatters/],
    ['export default { formatters: { flat: () => 1 } };', /the delta format flat already exists/],
    ['export default { formatters: { mine: 5 } };', /the delta format mine is not a function/],
    [
      'export default { store: { load() {}, head() {}, commit: 5 } };',
      /the plugin's store has no method commit, remove, /,
    ],
    ['export default { store: async () => undefined };', /the plugin's store has no method load, /],
    ['export default { store: () => { throw new Error("disk away"); } };', /cannot start: disk away/],
    ['export default { provider: { save() {} } };', /the plugin's provider has no method load, list, delete, close/],
    ['export default { clock: Date };', /the plugin's clock is not a function that returns whole milliseconds/],
    ['export default { clock: 5 };', /the plugin's clock is not a function/],
    ['throw new Error("no such host");', /--plugin .*\.mjs: no such host/],
    ['throw "words";', /--plugin .*\.mjs: words/],
    ['import "nowhere";', /--plugin .*\.mjs: .*nowhere/],
    ['syntax error', /--plugin .*\.mjs: /],
  ];
  for (const [i, [text, message]] of cases.entries()) {
    const file = join(folder, `${i}.mjs`);
    await writeFile(file, text);
    const { code, stdout, stderr } = await chord(['serve', ...MEMORY, '--plugin', file]);
    t.not(code, 0);
    t.is(stdout, '');
    t.regex(stderr, message);
    t.is(stderr.trimEnd().split('\n').length, 1, stderr);
  }
});

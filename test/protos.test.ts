/** The protos break no client of the last release: its descriptors are in proto/released, and `make check` compares. */
import { execFile } from 'node:child_process';
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const RELEASED = join(ROOT, 'proto/released');

/** A copy of the protos, with one of its files edited. */
async function edited(t: ExecutionContext, file: string, edit: (text: string) => string | undefined): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'chord-protos-'));
  t.teardown(() => rm(folder, { recursive: true }));
  await cp(join(ROOT, 'proto'), join(folder, 'proto'), { recursive: true });
  await cp(join(ROOT, 'buf.yaml'), join(folder, 'buf.yaml'));
  const path = join(folder, 'proto/chord/v1', file);
  const before = await readFile(path, 'utf8');
  const after = edit(before);
  t.not(after, before, 'the edit must change something');
  if (after === undefined) await rm(path);
  else await writeFile(path, after);
  return folder;
}

/** What `buf breaking` finds in the protos of a folder: empty where they break nothing. */
async function breaks(folder: string): Promise<string> {
  const releases = await readdir(RELEASED);
  const found = releases.map((name) =>
    run(join(ROOT, 'node_modules/.bin/buf'), ['breaking', '--exclude-imports', '--against', join(RELEASED, name)], {
      cwd: folder,
    }).then(
      () => '',
      ({ stdout, stderr }) => `${stdout}${stderr}`,
    ),
  );
  return (await Promise.all(found)).join('');
}

test('the protos as they are break nothing', async (t) => {
  t.true((await readdir(RELEASED)).some((name) => name.endsWith('.binpb')));
  t.is(await breaks(ROOT), '');
});

test('a new field, message and call break nothing', async (t) => {
  const folder = await edited(t, 'sync_service.proto', (text) =>
    text
      .replace(
        'message CaughtUp {}',
        'message CaughtUp {\n  string note = 1;\n}\nmessage PeekRequest {}\nmessage PeekResponse {}',
      )
      .replace('  rpc ListDeltas', '  rpc Peek(PeekRequest) returns (PeekResponse);\n  rpc ListDeltas'),
  );
  t.is(await breaks(folder), '');
});

const BREAKS: readonly [string, RegExp, string, (text: string) => string | undefined][] = [
  [
    'a field is deleted',
    /field "2".*was deleted/,
    'model.proto',
    (text) => text.replace('  uint64 version = 2;\n', ''),
  ],
  ['a field has another number', /"digest"/, 'model.proto', (text) => text.replace('digest = 3', 'digest = 9')],
  [
    'a field has another type',
    /"version".*type/,
    'model.proto',
    (text) => text.replace('uint64 version = 2', 'string version = 2'),
  ],
  [
    'a call is deleted',
    /RPC "TouchContext".*was deleted/,
    'context_service.proto',
    (text) => text.replace(/ {2}rpc TouchContext.*\n/, ''),
  ],
  [
    'a call streams no more',
    /"WatchContexts"/,
    'sync_service.proto',
    (text) => text.replace('(stream Watch', '(Watch'),
  ],
  ['a file is deleted', /errors\.proto.*was deleted/, 'errors.proto', () => undefined],
];

for (const [title, pattern, file, edit] of BREAKS) {
  test(`a break is found: ${title}`, async (t) => t.regex(await breaks(await edited(t, file, edit)), pattern));
}

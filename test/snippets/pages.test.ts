/**
 * The docs as a reader follows them: each block of shell runs against a server, and prints what the page shows. What a block
 * is stands behind its language: `console background` starts a command that goes on; `console output` is what the last of these
 * has printed; `console example` runs, and prints something like it; `unrun` needs more than a test has, or is run by the test
 * that its page names; `js file=NAME` is written into a file. The clients' own tests run the blocks of their READMEs.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { parseAllDocuments } from 'yaml';
import { startServer } from '../support/cli.js';
import { blocksOf, Reader, ROOT, TSX } from './reader.js';

/** Pages by the number of their blocks that run. */
const RUN: Readonly<Record<string, number>> = {
  'README.md': 6,
  'docs/access.md': 6,
  'docs/cleanup.md': 1,
  'docs/conditions.md': 7,
  'docs/console.md': 1,
  'docs/expiring.md': 1,
  'docs/history.md': 2,
  'docs/limits.md': 1,
  'docs/metrics.md': 1,
  'docs/operations.md': 2,
  'docs/recipes/coordination.md': 4,
  'docs/start.md': 10,
  'docs/text.md': 1,
  'docs/tls.md': 5,
  'docs/transfer.md': 2,
  'docs/web.md': 2,
};

for (const [page, blocks] of Object.entries(RUN)) {
  test.serial(`${page} shows what its commands and programs print`, async (t) => {
    t.is(await new Reader(t).follow(page), blocks);
  });
}

/** Settings, records and drawings: nothing in them runs. */
const DATA = new Set(['json', 'yaml', 'text', 'sql', 'mermaid', 'proto']);

test('each block of the docs runs, is data, or says that it does not run', (t) => {
  const list = ['ls-files', '-co', '--exclude-standard', '--', '*.md'];
  const pages = execFileSync('git', list, { cwd: ROOT, encoding: 'utf8' })
    .split('\n')
    .filter((page) => /^(?:docs|deploy|examples)\/|^[A-Z]+\.md$/.test(page))
    // Declarations, generated from the sources of the clients.
    .filter((page) => !page.startsWith('docs/reference/clients/'));
  const count = { run: 0, data: 0, unrun: 0 };
  for (const page of pages) {
    for (const { language, how, text } of blocksOf(page)) {
      if (how === 'unrun') count.unrun++;
      else if (DATA.has(language) && !how.startsWith('file=')) count.data++;
      else {
        count.run++;
        // The programs of the README have a test of their own.
        t.true(page in RUN, `${page}: a block of ${language} is not run, and does not say so: ${text}`);
      }
      if (language === 'json')
        t.notThrows(
          () => (text.startsWith('{\n') ? [text] : text.trim().split('\n')).map((each) => JSON.parse(each)),
          page,
        );
      if (language === 'yaml')
        t.deepEqual(
          parseAllDocuments(text).flatMap(({ errors }) => errors),
          [],
          page,
        );
    }
  }
  t.log(
    `${pages.length} pages: ${count.run} blocks run, ${count.data} are data, ${count.unrun} say that they do not run`,
  );
  t.true(count.run > 45);
});

test('the programs of the README run', async (t) => {
  const server = await startServer('--listen', '127.0.0.1:0', '--backend', 'memory');
  t.teardown(() => server.end('SIGKILL'));
  const blocks = blocksOf('README.md');
  const ts = blocks.find(({ language }) => language === 'ts')!.text;
  const node = spawnSync(process.execPath, ['--import', TSX, '--input-type=module', '--eval', ts], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  t.regex(node.stdout, /^127\.0\.0\.1:\d+ 1\n$/m, node.stderr);

  const python = join(ROOT, 'clients/python/.venv/bin/python');
  if (!existsSync(python)) {
    t.log('the Python program is not run: the client is not installed (make -C clients/python build)');
    return;
  }
  const program = blocks.find(({ language }) => language === 'python')!.text.replace('127.0.0.1:50051', server.address);
  const { stdout, stderr } = spawnSync(python, ['-c', program], { encoding: 'utf8' });
  t.is(stdout, "version 2\ncake ['ann']\n", stderr);
});

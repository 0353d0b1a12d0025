/** The generated reference is what the protos, the commands, the settings and the clients say. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';

const SCRIPT = fileURLToPath(new URL('../scripts/reference.mjs', import.meta.url));

test('the reference and the man page are current', (t) => {
  const { status, stderr } = spawnSync(process.execPath, [SCRIPT, '--check'], { encoding: 'utf8' });
  t.is(status, 0, stderr);
});

const CLIENTS = fileURLToPath(new URL('../clients', import.meta.url));

/** By language: the folder of its sources, the files that count, and what is declared there. */
const DECLARED: Readonly<Record<string, readonly [folder: string, files: RegExp, declared: RegExp]>> = {
  go: ['go', /(?<!_test)\.go$/, /^(?:func (?:\(\w+ \*?[A-Z]\w*\) )?|type )([A-Z]\w*)/gm],
  java: ['java/src/main/java/dev/chord', /\.java$/, /^(?:public .*\b(?:class|interface|record|enum) (\w+))/gm],
  python: ['python/chordstate', /^__init__\.py$/, /^ {4}"(\w+)",$/gm],
  rust: ['rust/src', /^(?!tracker).*\.rs$/, /^ {4}pub fn (\w+)/gm],
  typescript: ['typescript/src', /^api\.ts$/, /^(?:export | {2})(?:type )?\{? ?(?:type )?([A-Za-z]\w*),?/gm],
};

test('the page of each client has what its sources declare', (t) => {
  for (const [language, [folder, files, declared]] of Object.entries(DECLARED)) {
    const page = readFileSync(
      fileURLToPath(new URL(`../docs/reference/clients/${language}.md`, import.meta.url)),
      'utf8',
    );
    const names = readdirSync(`${CLIENTS}/${folder}`)
      .filter((name) => files.test(name))
      .flatMap((name) => [...readFileSync(`${CLIENTS}/${folder}/${name}`, 'utf8').matchAll(declared)])
      .map(([, name]) => name!);
    t.true(names.length > 30, `${language}: ${names.length}`);
    t.deepEqual(
      names.filter((name) => !new RegExp(`\\b${name}\\b`).test(page)),
      [],
      language,
    );
  }
});

/** Every public item says what it is. */
import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';

const SRC = new URL('../src/', import.meta.url);
const ENTRIES = ['api', 'index', 'web', 'react', 'opentelemetry'];
const read = (file: string) => readFileSync(new URL(file, SRC), 'utf8');

/** Names that the entries export, from other modules or their own. */
function exported(): string[] {
  const names = ENTRIES.map((entry) => read(`${entry}.ts`)).flatMap((text) => [
    ...[...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, list]) => list!.split(',')),
    ...[...text.matchAll(/^export (?:async )?(?:class|function|interface|type|const) (\w+)/gm)].map(
      ([, name]) => name!,
    ),
  ]);
  return names
    .map((name) =>
      name
        .replace(/^\s*type /, '')
        .replace(/ as .*/, '')
        .trim(),
    )
    .filter((name) => name !== '');
}

test('every exported name has a comment', (t) => {
  const sources = readdirSync(SRC).filter((name) => name.endsWith('.ts'));
  const documented = new Set<string>();
  for (const file of sources) {
    const declarations =
      /\*\/\n(?:\/\/ .*\n)*export (?:declare )?(?:abstract )?(?:async )?(?:class|function|interface|type|const) (\w+)/g;
    for (const [, name] of read(file).matchAll(declarations)) documented.add(name!);
  }
  const names = exported();
  t.true(names.length > 60, `${names.length} names`);
  t.deepEqual(
    names.filter((name) => !documented.has(name)),
    [],
  );
});

test('every public method of the client, of watches and of replicas has a comment', (t) => {
  const bare: string[] = [];
  for (const file of ['client', 'watch', 'replica']) {
    const lines = read(`${file}.ts`).split('\n');
    lines.forEach((line, i) => {
      const [, name] = /^ {2}(?:async )?\*?([a-z]\w+)(?:<[^(]*>)?\((?!.*=>)/.exec(line) ?? [];
      const before = lines.slice(0, i).findLast((each) => !/^\s*\/\/ biome-ignore/.test(each)) ?? '';
      const overloaded = lines.slice(0, i).some((each) => each.startsWith(line.replace(/\(.*/, '(')));
      if (name && name !== 'constructor' && !before.endsWith('*/') && !overloaded) bare.push(`${file}.${name}`);
    });
  }
  t.deepEqual(bare, []);
});

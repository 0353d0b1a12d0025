/** The bugs to plant still fit the sources: `make prove-release` plants them, and says which tool catches which. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { BUGS, planted } from './bugs.js';

test('each bug has its place in the sources, exactly once', (t) => {
  t.true(BUGS.length >= 15);
  t.is(new Set(BUGS.map(({ name }) => name)).size, BUGS.length);
  for (const bug of BUGS) {
    const source = readFileSync(fileURLToPath(new URL(`../../../${bug.file}`, import.meta.url)), 'utf8');
    t.not(planted(bug, source), source, bug.name);
  }
});

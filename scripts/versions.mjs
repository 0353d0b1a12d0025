/**
 * Checks that the server and the clients have the same version, as a release needs. With a tag (`v0.2.0`) as the
 * argument, also checks that the version is that of the tag, and that the changelog has its date.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

process.chdir(join(import.meta.dirname, '..'));
const [tag] = process.argv.slice(2);

/** Where each part has its version; the Go client has only the tag. */
const PLACES = [
  ['package.json', /"version": "(.+?)"/],
  ['clients/typescript/package.json', /"version": "(.+?)"/],
  ['clients/typescript/src/version.ts', /VERSION = '(.+?)'/],
  ['clients/python/chordstate/__init__.py', /^__version__ = "(.+?)"/m],
  ['clients/rust/Cargo.toml', /^version = "(.+?)"/m],
  ['clients/java/pom.xml', /<artifactId>chordstate<\/artifactId>\s*<version>(.+?)<\/version>/],
];

const found = PLACES.map(([path, pattern]) => [path, pattern.exec(readFileSync(path, 'utf8'))?.[1]]);
const wanted = tag ? tag.replace(/^v/, '') : found[0][1];
const faults = found.filter(([, version]) => version !== wanted).map(([path, version]) => `${path} is at ${version}`);
if (tag) {
  const [, version, date] = /^## (\S+) - (\S+)$/m.exec(readFileSync('CHANGELOG.md', 'utf8')) ?? [];
  if (version !== wanted || !/^\d{4}-\d\d-\d\d$/.test(date))
    faults.push(`CHANGELOG.md begins with ${version} - ${date}`);
}
if (faults.length > 0) {
  console.error(`${wanted} is not the version everywhere:\n  ${faults.join('\n  ')}`);
  process.exit(1);
}
console.log(`version ${wanted}: the server and the clients agree`);

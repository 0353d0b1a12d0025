/**
 * Writes sbom.json: the dependencies in a release, as CycloneDX, from the lockfile alone. The same lockfile gives the same
 * file. Fails if the file would name the host of a package registry.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

process.chdir(join(import.meta.dirname, '..'));
const [to = 'sbom.json'] = process.argv.slice(2);
const options = ['--package-lock-only', '--sbom-format=cyclonedx', '--sbom-type=application'];
const bom = JSON.parse(
  execFileSync('npm', ['sbom', ...options], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
    stdio: ['ignore', 'pipe', 'ignore'],
  }),
);

// Not npm's --omit=dev: it also leaves out a released package that a development tool uses.
/** Development tools to npm, and parts of dist/console. */
const BUNDLED = ['node_modules/preact', 'node_modules/uplot'];
const locked = Object.entries(JSON.parse(readFileSync('package-lock.json', 'utf8')).packages);
const released = locked.filter(
  ([path, { dev, devOptional }]) => BUNDLED.includes(path) || (path !== '' && !dev && !devOptional),
);
const names = new Set(released.map(([path, { version }]) => `${path.replace(/^.*node_modules\//, '')}@${version}`));
const isReleased = (ref) => names.has(ref) || ref === bom.metadata.component['bom-ref'];
bom.components = bom.components.filter((each) => isReleased(each['bom-ref']));
bom.dependencies = bom.dependencies
  .filter(({ ref }) => isReleased(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter(isReleased) }));

const digest = createHash('sha256').update(readFileSync('package-lock.json')).digest('hex');
const [, a, b, c, d, e] = /^(.{8})(.{4}).(.{3}).(.{3})(.{12})/.exec(digest);
bom.serialNumber = `urn:uuid:${a}-${b}-5${c}-a${d}-${e}`;
delete bom.metadata.timestamp;
bom.metadata.component.name = 'chordstate-server'; // not the name of the directory

const fetched = bom.components
  .flatMap(({ externalReferences = [] }) => externalReferences)
  .filter(({ type }) => type === 'distribution');
if (fetched.length > 0) throw new Error(`it names where packages come from: ${fetched[0].url}`);
writeFileSync(to, `${JSON.stringify(bom, null, 2)}\n`);
console.log(`${to}: ${bom.components.length} packages`);

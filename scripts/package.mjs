/**
 * Builds what is published, into packages/: the server and the TypeScript client for npm, wheel and sdist, crate, jars,
 * and the Go module as a proxy serves it. Languages as arguments build only those; a language whose tools are missing is
 * left out. Publishes nothing. scripts/try-packages.mjs installs each into an empty project.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

process.chdir(join(import.meta.dirname, '..'));
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const OUT = 'packages';

/** Each with a command that succeeds where its tools are installed. */
const PACKAGES = {
  server: { needs: 'npm --version', build: () => npm('.') },
  typescript: { needs: 'npm --version', build: () => npm('clients/typescript') },
  python: { needs: 'python3 -c "import ensurepip, venv"', build: python },
  rust: { needs: 'cargo --version', build: rust },
  java: { needs: 'mvn --version', build: java },
  go: { needs: 'go version', build: go },
};

const wanted = process.argv.slice(2);
for (const [name, { needs, build }] of Object.entries(PACKAGES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  if (spawnSync(needs, { shell: true }).status !== 0) {
    console.log(`${name}: left out, \`${needs}\` fails`);
    continue;
  }
  rmSync(join(OUT, name), { recursive: true, force: true });
  mkdirSync(join(OUT, name), { recursive: true });
  build(join(OUT, name));
  console.log(
    `${name}: ${execFileSync('find', [join(OUT, name), '-type', 'f'], { encoding: 'utf8' })
      .trim()
      .split('\n')
      .sort()
      .join('\n  ')}`,
  );
}

/** The output of a command that succeeds is not shown. */
function run(command, cwd = '.') {
  const { status, stdout, stderr } = spawnSync(command, { shell: true, cwd, encoding: 'utf8', maxBuffer: 64 << 20 });
  if (status !== 0) throw new Error(`${command} (in ${cwd}) fails:\n${stdout}${stderr}`);
  return stdout;
}

function npm(folder) {
  const name = folder === '.' ? 'server' : 'typescript';
  run('make build', folder);
  run(`npm pack --ignore-scripts --pack-destination ${join(process.cwd(), OUT, name)}`, folder);
}

function python(to) {
  run('make build', 'clients/python');
  cpSync('clients/python/dist', to, { recursive: true });
}

/** Compiles the crate from its package, as a user will. */
function rust(to) {
  run('cargo package --locked --package chordstate --allow-dirty', 'clients/rust');
  cpSync(`clients/rust/target/package/chordstate-${version}.crate`, join(to, `chordstate-${version}.crate`));
}

/** As a Maven repository. */
function java(to) {
  run('mvn -q -B -ntp -Prelease -DskipTests -Dgpg.skip package', 'clients/java');
  const folder = join(to, 'dev/chord/chordstate', version);
  mkdirSync(folder, { recursive: true });
  const name = `chordstate-${version}`;
  for (const kind of ['', '-sources', '-javadoc']) {
    cpSync(`clients/java/target/${name}${kind}.jar`, join(folder, `${name}${kind}.jar`));
  }
  cpSync('clients/java/pom.xml', join(folder, `${name}.pom`));
}

/** As a module proxy, from what is committed: a module is published by its tag alone. */
function go(to) {
  run('go build ./... && go vet ./... && go mod verify && go mod tidy -diff', 'clients/go');
  const module = /^module (.+)$/m.exec(readFileSync('clients/go/go.mod', 'utf8'))[1];
  const folder = join(to, module, '@v');
  mkdirSync(folder, { recursive: true });
  const tree = existsSync('.git') ? 'HEAD' : undefined;
  if (!tree) throw new Error('the Go module is made from a git repository');
  run(
    `git archive --format=zip --prefix=${module}@v${version}/ -o ${join(folder, `v${version}.zip`)} ${tree}:clients/go`,
  );
  cpSync('clients/go/go.mod', join(folder, `v${version}.mod`));
  const time = run('git log -1 --format=%cI').trim();
  writeFileSync(
    join(folder, `v${version}.info`),
    JSON.stringify({ Version: `v${version}`, Time: new Date(time).toISOString() }),
  );
  writeFileSync(join(folder, 'list'), `v${version}\n`);
}

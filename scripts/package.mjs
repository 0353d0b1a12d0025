/**
 * Builds what is published, into packages/: the server and the TypeScript client for npm, wheel and sdist, crate, jars,
 * and the Go module as a proxy serves it. Languages as arguments build only those; a language whose tools are missing is
 * left out. Publishes nothing. Prints for each the command that installs it into a project, from the directory of that
 * project, and keeps it in packages/LANGUAGE.install, for scripts/try-packages.mjs.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

process.chdir(join(import.meta.dirname, '..'));
const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
const OUT = 'packages';
const CLIENT = `chordstate-${version}`;
const GO_MODULE = /^module (.+)$/m.exec(readFileSync('clients/go/go.mod', 'utf8'))[1];

/** Each with a command that succeeds where its tools are installed, and the one that installs what is built in a folder. */
const PACKAGES = {
  server: {
    needs: 'npm --version',
    build: () => npm('.'),
    install: (from) => `npm install -g --ignore-scripts ${from}/chordstate-server-${version}.tgz`,
  },
  typescript: {
    needs: 'npm --version',
    build: () => npm('clients/typescript'),
    install: (from) => `npm install ${from}/${CLIENT}.tgz`,
  },
  python: {
    needs: 'python3 -c "import ensurepip, venv"',
    build: python,
    install: (from) => `python -m pip install ${from}/${CLIENT}-py3-none-any.whl`,
  },
  rust: {
    needs: 'cargo --version',
    build: rust,
    install: (from) =>
      `mkdir -p vendor && tar -xzf ${from}/${CLIENT}.crate -C vendor && cargo add --path vendor/${CLIENT}`,
  },
  java: {
    needs: 'mvn --version',
    build: java,
    install: (from) => {
      const file = `${from}/dev/chord/chordstate/${version}/${CLIENT}`;
      return `mvn -q install:install-file -Dfile=${file}.jar -DpomFile=${file}.pom`;
    },
  },
  // From the clone: Go would keep what it took from a proxy, and take it for the published version. The program imports it first.
  go: {
    needs: 'go version',
    build: go,
    install: () => `go mod edit -replace ${GO_MODULE}=${process.cwd()}/clients/go && go mod tidy`,
  },
};

const wanted = process.argv.slice(2);
for (const [name, { needs, build, install }] of Object.entries(PACKAGES)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  if (spawnSync(needs, { shell: true }).status !== 0) {
    console.log(`${name}: left out, \`${needs}\` fails`);
    continue;
  }
  rmSync(join(OUT, name), { recursive: true, force: true });
  mkdirSync(join(OUT, name), { recursive: true });
  build(join(OUT, name));
  const files = execFileSync('find', [join(OUT, name), '-type', 'f'], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .sort();
  const command = install(join(process.cwd(), OUT, name));
  writeFileSync(join(OUT, `${name}.install`), `${command}\n`);
  console.log(`${name}: ${files.join('\n  ')}\n  $ ${command}`);
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
  cpSync(`clients/rust/target/package/${CLIENT}.crate`, join(to, `${CLIENT}.crate`));
}

/** As a Maven repository. */
function java(to) {
  run('mvn -q -B -ntp -Prelease -DskipTests -Dgpg.skip package', 'clients/java');
  const folder = join(to, 'dev/chord/chordstate', version);
  mkdirSync(folder, { recursive: true });
  for (const kind of ['', '-sources', '-javadoc']) {
    cpSync(`clients/java/target/${CLIENT}${kind}.jar`, join(folder, `${CLIENT}${kind}.jar`));
  }
  cpSync('clients/java/pom.xml', join(folder, `${CLIENT}.pom`));
}

/** As a module proxy, from what is committed: a module is published by its tag alone. */
function go(to) {
  run('go build ./... && go vet ./... && go mod verify && go mod tidy -diff', 'clients/go');
  const folder = join(to, GO_MODULE, '@v');
  mkdirSync(folder, { recursive: true });
  const tree = existsSync('.git') ? 'HEAD' : undefined;
  if (!tree) throw new Error('the Go module is made from a git repository');
  run(
    `git archive --format=zip --prefix=${GO_MODULE}@v${version}/ -o ${join(folder, `v${version}.zip`)} ${tree}:clients/go`,
  );
  cpSync('clients/go/go.mod', join(folder, `v${version}.mod`));
  const time = run('git log -1 --format=%cI').trim();
  writeFileSync(
    join(folder, `v${version}.info`),
    JSON.stringify({ Version: `v${version}`, Time: new Date(time).toISOString() }),
  );
  writeFileSync(join(folder, 'list'), `v${version}\n`);
}

/**
 * Installs each package of packages/ into an empty project, by the command that `make package` has printed, and uses it there: the
 * server starts from its tarball, and a program of each language writes and reads through it. Languages as arguments try only those; what was not
 * built is left out. Needs the registries, for what the packages depend on.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const PACKAGES = join(import.meta.dirname, '../packages');
const base = mkdtempSync(join(tmpdir(), 'chord-packages-'));
const wanted = process.argv.slice(2);
let failed = 0;

function sh(command, cwd, env = {}) {
  const { status, stdout, stderr } = spawnSync(command, {
    shell: true,
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
    maxBuffer: 64 << 20,
  });
  if (status !== 0) throw new Error(`${command}\n${stdout}${stderr}`);
  return stdout.trim();
}

/** The one package file that ends so. */
function file(language, ending) {
  const folder = join(PACKAGES, language);
  const found = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(ending));
  if (found.length !== 1) throw new Error(`${found.length} packages ${ending} in ${folder}`);
  return join(folder, found[0]);
}

/** In a project, as a reader of what `make package` prints does. */
const install = (language, folder, env) => sh(readFileSync(join(PACKAGES, `${language}.install`), 'utf8'), folder, env);

function project(name, files) {
  const folder = join(base, name);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
}

/** Each writes a context named like the language, reads it, and prints its member `n`. */
const TRIES = {
  typescript(address) {
    const folder = project('typescript', {
      'package.json': '{"type":"module"}',
      'tsconfig.json': JSON.stringify({
        compilerOptions: { module: 'nodenext', target: 'es2022', strict: true, types: ['node'] },
      }),
      'main.ts': `import { connect } from 'chordstate';
const client = connect('${address}');
await client.set('typescript', { n: 42 });
const { value } = await client.get('typescript');
console.log((value as { n: number }).n);
client.close();
`,
    });
    install('typescript', folder);
    sh('npm install --no-audit --no-fund typescript@7.0.2 @types/node@20', folder);
    sh('npx --no-install tsc', folder);
    return sh('node main.js', folder);
  },
  python(address) {
    const folder = project('python', {
      'main.py': `import chordstate, chordstate.aio
with chordstate.connect("${address}") as client:
    client.set("python", {"n": 42})
    print(int(client.get("python").value["n"]))
`,
    });
    sh('python3 -m venv wheel && python3 -m venv sdist', folder);
    install('python', folder, { PATH: `${join(folder, 'wheel/bin')}:${process.env.PATH}` });
    // From source, with the build tools that it asks for.
    sh(`sdist/bin/python -m pip install --quiet --disable-pip-version-check ${file('python', '.tar.gz')}`, folder);
    sh('sdist/bin/python main.py', folder);
    return sh('wheel/bin/python main.py', folder);
  },
  go(address) {
    const folder = project('go', {
      'go.mod': 'module example.com/empty\n\ngo 1.26\n',
      'main.go': `package main

import (
	"context"
	"fmt"

	chord "github.com/chord-state/chord/clients/go"
)

func main() {
	client, err := chord.NewClient("${address}")
	if err != nil {
		panic(err)
	}
	defer client.Close()
	ctx := context.Background()
	if _, err := client.Set(ctx, "go", map[string]any{"n": 42}); err != nil {
		panic(err)
	}
	document, err := client.Get(ctx, "go")
	if err != nil {
		panic(err)
	}
	fmt.Println(document.Value["n"])
}
`,
    });
    install('go', folder);
    if (sh('go run .', folder) !== '42') throw new Error('the clone beside the project does not run');
    sh('rm go.mod go.sum && go mod init example.com/empty', folder);
    // As once published, with a cache of its own: Go keeps what it took from a proxy, and of this one it must not. What is there already is taken from there.
    const [proxy, cache] = sh('go env GOPROXY GOMODCACHE', folder).split('\n');
    const env = {
      GOMODCACHE: join(folder, 'modules'),
      GOPROXY: `file://${join(PACKAGES, 'go')},file://${cache}/cache/download,${proxy}`,
      GONOSUMDB: 'github.com/chord-state/*',
      GOFLAGS: '-mod=mod -modcacherw',
    };
    const version = sh(`cat ${join(PACKAGES, 'go/github.com/chord-state/chord/clients/go/@v/list')}`, folder);
    sh(`go get github.com/chord-state/chord/clients/go@${version}`, folder, env);
    return sh('go run .', folder, env);
  },
  rust(address) {
    const folder = project('rust', {
      'Cargo.toml': `[package]
name = "empty"
version = "0.0.0"
edition = "2024"

[dependencies]
tokio = { version = "1", features = ["macros", "rt-multi-thread"] }
`,
      'src/main.rs': `use chordstate::{Client, json};

#[tokio::main]
async fn main() -> Result<(), chordstate::Error> {
    let client = Client::connect("${address}")?;
    client.set("rust", json!({ "n": 42 })).await?;
    let found = client.get("rust").await?;
    println!("{}", json!(found.value)["n"]);
    Ok(())
}
`,
    });
    install('rust', folder);
    sh('cp vendor/*/Cargo.lock .', folder);
    return sh('cargo run --quiet', folder);
  },
  java(address) {
    const version = /chordstate-(.*)-sources\.jar$/.exec(file('java', '-sources.jar'))[1];
    file('java', '-javadoc.jar');
    const folder = project('java', {
      'pom.xml': `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>empty</groupId><artifactId>empty</artifactId><version>0</version>
  <properties><maven.compiler.release>17</maven.compiler.release><project.build.sourceEncoding>UTF-8</project.build.sourceEncoding></properties>
  <dependencies><dependency><groupId>dev.chord</groupId><artifactId>chordstate</artifactId><version>${version}</version></dependency></dependencies>
  <build><plugins><plugin><artifactId>maven-compiler-plugin</artifactId><version>3.14.1</version></plugin><plugin>
    <artifactId>maven-dependency-plugin</artifactId><version>3.8.1</version>
    <executions><execution><phase>package</phase><goals><goal>build-classpath</goal></goals><configuration><outputFile>classpath</outputFile><includeScope>runtime</includeScope></configuration></execution></executions>
  </plugin></plugins></build>
</project>
`,
      'src/main/java/Main.java': `import dev.chord.ChordClient;
import java.util.Map;

public class Main {
  public static void main(String[] args) {
    try (ChordClient client = ChordClient.connect("${address}")) {
      client.set("java", Map.of("n", 42));
      System.out.println(((Number) client.get("java").value().get("n")).intValue());
    }
  }
}
`,
    });
    // Maven would take it for the published one.
    const kept = join(process.env.HOME, '.m2/repository/dev/chord/chordstate', version);
    rmSync(kept, { recursive: true, force: true });
    try {
      install('java', folder);
      sh('mvn -q -B -ntp package', folder);
      return sh('java -cp "target/classes:$(cat classpath)" Main', folder);
    } finally {
      rmSync(kept, { recursive: true, force: true });
    }
  },
};

/** From its tarball, installed as `npm install -g` does, below a directory of its own. */
async function server() {
  const prefix = join(base, 'server');
  mkdirSync(prefix);
  install('server', prefix, { npm_config_prefix: prefix });
  const child = spawn(
    join(prefix, 'bin/chord'),
    ['serve', '--listen', '127.0.0.1:0', '--data-dir', join(base, 'data'), '--log-level', 'error'],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  for await (const line of createInterface({ input: child.stdout })) {
    const address = /^chord: serving on (\S+) /.exec(line)?.[1];
    if (!address) throw new Error(line);
    return { child, address, prefix };
  }
  throw new Error('the server ended');
}

/** The service's installation, from the clone, below a directory. */
function service() {
  const root = join(base, 'root');
  const clone = join(PACKAGES, '..');
  // What was built is older than the sources, as after a pull; new files of the caller are readable by the caller alone.
  sh('echo "process.exit(9)" > dist/main.js && touch -d 2000-01-01 dist/main.js', clone);
  sh(`umask 077 && deploy/systemd/install --root ${root}`, clone);
  const closed = sh('find opt etc usr ! -type l ! -perm -o=r', root);
  if (closed !== '') throw new Error(`the service cannot read ${closed}`);
  const chord = join(root, 'opt/chord/dist/main.js');
  const config = join(root, 'etc/chord/chord.json');
  sh(`node ${chord} serve --config ${config} --print-config`, base);
  for (const path of [
    'etc/systemd/system/chord.service',
    'usr/local/share/man/man1/chord.1',
    'usr/local/bin/chord',
    'usr/local/share/zsh/site-functions/_chord',
    'usr/share/fish/vendor_completions.d/chord.fish',
  ])
    if (!lstatSync(join(root, path), { throwIfNoEntry: false })) throw new Error(`${path} is missing`); // a link leads to /opt
  writeFileSync(config, '{ "cacheBytes": "1MiB" }');
  sh(`deploy/systemd/install --root ${root}`, clone); // an upgrade: what is configured stays
  if (!sh(`node ${chord} serve --config ${config} --print-config`, base).includes('1MiB'))
    throw new Error('the settings are gone');
  if (!existsSync(join(root, 'opt/chord.before/dist/main.js'))) throw new Error('the former installation is gone');
  console.log('service: ok, installed and upgraded below a directory');
}

service();
const { child, address, prefix } = await server();
try {
  const version = sh(`${join(prefix, 'bin/chord')} --version`, base);
  console.log(`server: ok, chord ${version} from its tarball`);
  if (!existsSync(join(prefix, 'share/man/man1/chord.1'))) throw new Error('the man page is not installed');
  for (const [language, attempt] of Object.entries(TRIES)) {
    if (wanted.length > 0 && !wanted.includes(language)) continue;
    if (!existsSync(join(PACKAGES, language))) {
      console.log(`${language}: left out, it was not built (make package)`);
      continue;
    }
    try {
      const printed = attempt(address);
      if (printed !== '42') throw new Error(`printed ${printed}`);
      const seen = sh(`${join(prefix, 'bin/chord')} --address ${address} get ${language}`, base);
      if (JSON.parse(seen).n !== 42) throw new Error(`the server has ${seen}`);
      console.log(`${language}: ok`);
    } catch (error) {
      failed++;
      console.error(`${language}: FAILED\n${error.message}`);
    }
  }
} finally {
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGTERM');
  await ended;
  rmSync(base, { recursive: true, force: true });
}
process.exit(failed === 0 ? 0 : 1);

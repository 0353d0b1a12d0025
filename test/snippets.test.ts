/**
 * The README and the tutorial as a reader follows them: each block of shell runs against a server, and prints what the page
 * shows. What a block is stands behind its language: `console background` starts a command that goes on; `console output` is
 * what the last of these has printed; `console unrun` needs more than Node; `js file=NAME` is written into a file.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { temporaryDirectory } from './store/lmdb/directories.js';
import { MAIN, type Server, startServer } from './support/cli.js';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const TSX = import.meta.resolve('tsx');
const CLIENT = join(ROOT, 'clients/typescript');

interface Block {
  readonly kind: string;
  readonly text: string;
}

function blocksOf(page: string): Block[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return [...text.matchAll(/^```(\w+[^\n]*)\n(.*?)^```/gms)].map(([, kind, block]) => ({ kind: kind!, text: block! }));
}

/** Commands with the lines that they print. */
function commandsOf(text: string): { command: string; printed: string }[] {
  return text
    .split(/^\$ /m)
    .slice(1)
    .map((each) => {
      const [command, ...printed] = each.split('\n');
      return { command: command!, printed: printed.join('\n').trim() };
    });
}

/** Epochs, digests and times differ each time; versions do not. */
const settled = (text: string) => {
  const positions = text.replace(/\b[\w-]{8}:(\d+):[\w-]{8}(?![\w-])/g, 'EPOCH:$1:DIGEST');
  return positions.replace(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME').trim();
};

class Reader {
  readonly #lines: string[] = [];
  #wake = () => {};
  #server: Server | undefined;
  #folder = '';
  /** The position that a page shows is one of its own: commands get the real one, by its version. */
  #positions = new Map<string, string>();

  constructor(private readonly t: ExecutionContext) {}

  async follow(page: string): Promise<number> {
    this.#folder = await temporaryDirectory(this.t);
    this.#server = await startServer('--listen', '127.0.0.1:0', '--data-dir', join(this.#folder, 'data'));
    this.t.teardown(() => this.#server!.end('SIGKILL'));
    let ran = 0;
    for (const { kind, text } of blocksOf(page)) {
      const [language, how = ''] = kind.split(' ');
      if (how.startsWith('file=')) await this.#file(how.slice(5), text);
      else if (language !== 'console' || how === 'unrun') continue;
      else if (how === 'background') await this.#background(text);
      else if (how === 'output') await this.#printed(text);
      else for (const each of commandsOf(text)) this.#run(each);
      ran++;
    }
    return ran;
  }

  #shell(command: string): [string, string[], NodeJS.ProcessEnv] {
    const node = (more: string) => `'${process.execPath}' ${more}`;
    const real = command
      .replace(/^npx chord\b/, node(`'${MAIN}'`))
      .replace(/^node /, node(`--import '${TSX}' `))
      .replace(/[\w-]{8}:(\d+):[\w-]{8}/g, (shown, version) => this.#positions.get(version) ?? shown);
    return ['bash', ['-c', `exec ${real}`], { ...process.env, CHORD_ADDRESS: this.#server!.address }];
  }

  #run({ command, printed }: { command: string; printed: string }): void {
    const [shell, args, env] = this.#shell(command);
    const { stdout, stderr } = spawnSync(shell, args, { env, cwd: this.#folder, encoding: 'utf8' });
    this.t.is(settled(`${stdout}${stderr}`), settled(printed), command);
    // The first context of a page is the one whose positions it sends.
    const [, id, position, version] = /^(\S+) changed, now at (\S+:(\d+):\S+)/.exec(stdout) ?? [];
    if (id === 'room:1') this.#positions.set(version!, position!);
  }

  async #background(text: string): Promise<void> {
    const [{ command, printed }] = commandsOf(text) as [{ command: string; printed: string }];
    if (command === 'make start') {
      // It serves already, on a port of its own.
      const ready = (line: string) =>
        line.replace(/on \S+ \((\w+), [^)]*\), ready in \d+ ms/, 'on ADDRESS ($1), ready');
      this.t.is(ready(this.#server!.ready), ready(printed));
      return;
    }
    const [shell, args, env] = this.#shell(command);
    const child: ChildProcess = spawn(shell, args, { env, cwd: this.#folder, stdio: ['ignore', 'pipe', 'inherit'] });
    this.t.teardown(() => child.kill('SIGKILL'));
    this.#lines.length = 0;
    createInterface({ input: child.stdout! }).on('line', (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    // A watch says first what there is: then it hears what is written from now on.
    if (printed !== '') await this.#printed(printed);
    else await this.#until(1);
  }

  async #printed(text: string): Promise<void> {
    const wanted = text.trim().split('\n');
    await this.#until(wanted.length);
    this.t.deepEqual(this.#lines.splice(0, wanted.length).map(settled), wanted.map(settled));
  }

  async #until(count: number): Promise<void> {
    while (this.#lines.length < count) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** `chordstate` is the client of this repository, from its sources. */
  async #file(name: string, text: string): Promise<void> {
    const folder = join(this.#folder, 'node_modules/chordstate');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'package.json'), '{"name":"chordstate","type":"module","exports":"./index.ts"}');
    await writeFile(join(folder, 'index.ts'), `export * from '${join(CLIENT, 'src/index.ts')}';\n`);
    await writeFile(join(this.#folder, 'package.json'), '{"type":"module"}');
    await writeFile(join(this.#folder, name), text);
  }
}

test('the README shows what its commands print', async (t) => {
  t.is(await new Reader(t).follow('README.md'), 5);
});

test('the tutorial shows what its commands and programs print', async (t) => {
  t.true((await new Reader(t).follow('docs/start.md')) >= 9);
});

test('the pages of conditions, of recipes and of history show what their commands print', async (t) => {
  t.is(await new Reader(t).follow('docs/conditions.md'), 7);
  t.is(await new Reader(t).follow('docs/recipes/coordination.md'), 4);
  t.is(await new Reader(t).follow('docs/history.md'), 2);
});

test('the page of access shows what callers with rights inside documents are told', async (t) => {
  const folder = await temporaryDirectory(t);
  const page = readFileSync(join(ROOT, 'docs/access.md'), 'utf8');
  const section = /^## Rights inside documents$(.*?)^## /ms.exec(page)![1]!;
  const [rules] = /(?<=^```json\n).*?(?=^```)/ms.exec(section)!;
  const [shown] = /(?<=^```console\n).*?(?=^```)/ms.exec(section)!;
  await writeFile(join(folder, 'rules.json'), rules);
  const run = (command: string, env: NodeJS.ProcessEnv = process.env) =>
    spawnSync('bash', ['-c', `exec '${process.execPath}' '${MAIN}' ${command.replace(/^chord /, '')}`], {
      env,
      cwd: folder,
      encoding: 'utf8',
    });
  for (const name of ['ann', 'bob']) run(`token new ${name} --file tokens --secret-file ${name}.token`);
  const files = ['--auth-tokens', join(folder, 'tokens'), '--auth-rules', join(folder, 'rules.json')];
  const server = await startServer('--listen', '127.0.0.1:0', '--backend', 'memory', ...files);
  t.teardown(() => server.end('SIGKILL'));
  const commands = commandsOf(shown);
  t.is(commands.length, 4);
  for (const { command, printed } of commands) {
    const { stdout, stderr } = run(command, { ...process.env, CHORD_ADDRESS: server.address });
    t.is(settled(`${stdout}${stderr}`), settled(printed), command);
  }
});

test('the programs of the README run', async (t) => {
  const server = await startServer('--listen', '127.0.0.1:0', '--backend', 'memory');
  t.teardown(() => server.end('SIGKILL'));
  const blocks = blocksOf('README.md');
  const ts = blocks.find(({ kind }) => kind === 'ts')!.text;
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
  const program = blocks.find(({ kind }) => kind === 'python')!.text.replace('127.0.0.1:50051', server.address);
  const { stdout, stderr } = spawnSync(python, ['-c', program], { encoding: 'utf8' });
  t.is(stdout, "version 2\ncake ['ann']\n", stderr);
});

/** A page of the docs as a reader follows it: its blocks run one after the other, and print what the page shows. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { MAIN, type Server, startServer } from '../support/cli.js';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
export const TSX = import.meta.resolve('tsx');
const CLIENT = join(ROOT, 'clients/typescript');

/** `console` and what a shell runs; `how` is what stands behind the language of a block. */
export interface Block {
  readonly language: string;
  readonly how: string;
  readonly text: string;
}

export function blocksOf(page: string): Block[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return [...text.matchAll(/^```(\w+)(?:[ ,]([^\n]*))?\n(.*?)^```/gms)].map(([, language, how = '', block]) => ({
    language: language!,
    how,
    text: block!,
  }));
}

/** Commands with the lines that they print. A backslash at its end continues a command. */
function commandsOf(text: string): { command: string; printed: string }[] {
  return text
    .replaceAll('\\\n', '')
    .split(/^\$ /m)
    .slice(1)
    .map((each) => {
      const [command, ...printed] = each.split('\n');
      return { command: command!, printed: printed.join('\n').trim() };
    });
}

/** Epochs, digests, times, tokens and addresses differ each time; versions do not. */
const settled = (text: string) => {
  const positions = text.replace(/\b[\w-]{8}:(\d+):[\w-]{8}(?![\w-])/g, 'EPOCH:$1:DIGEST');
  const members = positions.replace(/("(?:epoch|digest)":")[\w-]{8}"/g, '$1..."');
  const times = members.replace(/\b\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME');
  return times
    .replace(/\bsha256:[0-9a-f]{64}/g, 'HASH')
    .replace(/127\.0\.0\.1:\d+/g, 'ADDRESS')
    .trim();
};

/** What the line of a server that is ready says beside its directory and its time. */
const ready = (line: string) =>
  settled(line)
    .replace(/\((\w+), [^,)]*/, '($1, DATA')
    .replace(/in \d+ ms$/, '');

/** HOST:PORT of the web port of a server that says this line, or nothing. */
const httpOf = (line: string) => /over HTTP on https?:\/\/([^\s,)]+)/.exec(line)?.[1] ?? '';
const WEB = ['--web-listen', '127.0.0.1:0'];

export class Reader {
  readonly #lines: string[] = [];
  #wake = () => {};
  #server: Server | undefined;
  #served: { readonly child: ChildProcess; readonly command: string } | undefined;
  #address = '';
  #http = '';
  #folder = '';
  /** The position that a page shows is one of its own: commands get the real one, by its version. */
  #positions = new Map<string, string>();

  constructor(private readonly t: ExecutionContext) {}

  /** Runs the blocks of a page, and returns how many ran. */
  async follow(page: string): Promise<number> {
    this.#folder = await temporaryDirectory(this.t);
    const blocks = blocksOf(page);
    // A page that starts servers of its own needs no other.
    if (!blocks.some(({ how, text }) => how === 'background' && /^\$ (?:npx )?chord serve/.test(text))) {
      const web = blocks.some(({ text }) => /^\$ make start .*--web-listen/m.test(text)) ? WEB : [];
      this.#server = await startServer('--listen', '127.0.0.1:0', '--data-dir', join(this.#folder, 'data'), ...web);
      this.t.teardown(() => this.#server!.end('SIGKILL'));
      this.#address = this.#server.address;
      this.#http = httpOf(this.#server.ready);
    }
    let ran = 0;
    for (const { language, how, text } of blocks) {
      if (how === 'unrun') continue;
      if (how.startsWith('file=')) await this.#file(how.slice(5), language, text);
      else if (language === 'bash') this.#script(text);
      else if (language !== 'console') continue;
      else if (how === 'background') await this.#background(text);
      else if (how === 'output') await this.#printed(text);
      else for (const each of commandsOf(text)) this.#run(each, how === 'example');
      ran++;
    }
    return ran;
  }

  #shell(command: string): [string, string[], NodeJS.ProcessEnv] {
    const node = (more: string) => `'${process.execPath}' ${more}`;
    const real = command
      .replace(/^(?:npx )?chord\b/, node(`'${MAIN}'`))
      .replace(/^curl /, 'curl -sS ') // as on a terminal
      .replace(/^node /, node(`--import '${TSX}' `))
      .replace(/[\w-]{8}:(\d+):[\w-]{8}/g, (shown, version) => this.#positions.get(version) ?? shown)
      .replace(/127\.0\.0\.1:50051/g, this.#address || '127.0.0.1:50051')
      .replace(/\b(?:localhost|127\.0\.0\.1):8080/g, this.#http)
      .replaceAll('/backups/', `${this.#folder}/`);
    const env = this.#address === '' ? process.env : { ...process.env, CHORD_ADDRESS: this.#address };
    return ['bash', ['-c', `exec ${real}`], env];
  }

  /** @param example what the page shows is what such a command may print: it must succeed, and may print something else */
  #run({ command, printed }: { command: string; printed: string }, example: boolean): void {
    const [shell, args, env] = this.#shell(command);
    const options = { env, cwd: this.#folder, encoding: 'utf8', timeout: 60_000 } as const;
    const { status, stdout, stderr } = spawnSync(shell, args, options);
    if (example) this.t.is(status, 0, `${command}\n${stdout}${stderr}`);
    else this.t.is(settled(`${stdout}${stderr}`), settled(printed), command);
    // The first context of a page is the one whose positions it sends.
    const [, id, position, version] = /^(\S+) changed, now at (\S+:(\d+):\S+)/.exec(stdout) ?? [];
    if (id === 'room:1') this.#positions.set(version!, position!);
  }

  #script(text: string): void {
    const { status, stderr } = spawnSync('bash', ['-euc', text], { cwd: this.#folder, encoding: 'utf8' });
    this.t.is(status, 0, stderr);
  }

  async #background(text: string): Promise<void> {
    const [{ command, printed }] = commandsOf(text) as [{ command: string; printed: string }];
    if (command.startsWith('make start')) {
      // It serves already, on a port of its own.
      this.t.is(ready(this.#server!.ready), ready(printed));
      return;
    }
    if (/^(?:npx )?chord serve\b/.test(command)) {
      await this.#serve(command, printed);
      return;
    }
    this.#spawn(command);
    // A watch says first what there is: then it hears what is written from now on.
    if (printed !== '') await this.#printed(printed);
    else await this.#until(1);
  }

  #spawn(command: string): ChildProcess {
    const [shell, args, env] = this.#shell(command);
    const child = spawn(shell, args, { env, cwd: this.#folder, stdio: ['ignore', 'pipe', 'inherit'] });
    this.t.teardown(() => child.kill('SIGKILL'));
    this.#lines.length = 0;
    createInterface({ input: child.stdout }).on('line', (line) => {
      this.#lines.push(line);
      this.#wake();
    });
    return child;
  }

  /** On ports of its own, in place of the server before. */
  async #serve(command: string, printed: string): Promise<void> {
    await this.#stop();
    const free = command.replace(/(--(?:web-|metrics-)?listen) \S+/g, '$1 127.0.0.1:0');
    const listen = / --listen /.test(free) ? '' : ' --listen 127.0.0.1:0';
    this.#served = { child: this.#spawn(`${free}${listen} --log-level error`), command };
    await this.#until(1);
    const [line] = this.#lines.splice(0, 1) as [string];
    if (printed !== '') this.t.is(ready(line), ready(printed));
    this.#address = /^chord: serving on (\S+) /.exec(line)?.[1] ?? '';
    this.#http = httpOf(line);
  }

  async #stop(): Promise<void> {
    const child = this.#served?.child;
    if (!child || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGTERM');
    await ended;
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

  /** In programs `chordstate` is the client of this repository, from its sources. A server is started anew with its new settings. */
  async #file(name: string, language: string, text: string): Promise<void> {
    await writeFile(join(this.#folder, name), text);
    if (language === 'json') {
      if (this.#served) await this.#serve(this.#served.command, '');
      return;
    }
    const folder = join(this.#folder, 'node_modules/chordstate');
    await mkdir(folder, { recursive: true });
    await writeFile(join(folder, 'package.json'), '{"name":"chordstate","type":"module","exports":"./index.ts"}');
    await writeFile(join(folder, 'index.ts'), `export * from '${join(CLIENT, 'src/index.ts')}';\n`);
    await writeFile(join(this.#folder, 'package.json'), '{"type":"module"}');
  }
}

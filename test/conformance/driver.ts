/** One driver process: ops in, answers out. See PROTOCOL.md. */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { Json } from '../../src/model/model.js';
import { write } from './json.js';
import { webPortOf } from './web.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

export interface DriverEntry {
  readonly name: string;
  /** Relative to the repository. */
  readonly cwd: string;
  readonly build?: readonly [string, ...string[]];
  readonly command: readonly [string, ...string[]];
  /** In a browser: it speaks with web ports. */
  readonly web?: boolean;
  /** Its processes serve one scenario after the other, and forget with the op `renew`: for those that start slowly. */
  readonly kept?: boolean;
  /** Runs where `--only` names it, and at no other time. */
  readonly named?: boolean;
  /** A file without which the driver is left out. */
  readonly needs?: string;
  /** Why scenarios do not apply to it, by the beginnings of their names. */
  readonly except?: Readonly<Record<string, string>>;
}

// biome-ignore lint/suspicious/noExplicitAny: each op has its own answer
export type Answer = any;

/** An op answered with an error. */
export class OpError extends Error {
  constructor(
    readonly op: string,
    readonly form: { readonly reason: string; readonly message: string; readonly [key: string]: Json },
  ) {
    super(`${op}: ${form.reason}: ${form.message}`);
  }
}

/** Kept processes that no scenario uses. */
const idle = new Map<DriverEntry, DriverProcess[]>();

/** Ends the kept processes. */
export async function endIdle(): Promise<void> {
  await Promise.all([...idle.values()].flat().map((process) => process.end()));
  idle.clear();
}

/** A driver for one scenario: a process of its own, or a kept one that begins anew. */
export class Driver {
  readonly name: string;
  readonly #process: DriverProcess;
  #last: Promise<unknown> = Promise.resolve();

  constructor(private readonly entry: DriverEntry) {
    this.name = entry.name;
    this.#process = idle.get(entry)?.pop() ?? new DriverProcess(entry);
  }

  /** One op at a time: a later call waits for those before. @throws OpError */
  call(op: string, args: object = {}): Promise<Answer> {
    const answer = this.#last.then(() => this.#process.call(op, this.#addressed(args)));
    this.#last = answer.catch(() => {});
    return answer;
  }

  /** Another process of the same driver. */
  another(): Driver {
    return new Driver(this.entry);
  }

  async end(): Promise<void> {
    if (!this.entry.kept || !(await this.#process.renew())) return this.#process.end();
    const others = idle.get(this.entry) ?? [];
    idle.set(this.entry, [...others, this.#process]);
  }

  /** For one that does not answer. */
  kill(): void {
    this.#process.kill();
  }

  #addressed(args: { readonly address?: string }): object {
    if (!this.entry.web || args.address === undefined) return args;
    return { ...args, address: `http://${webPortOf(args.address)}` };
  }
}

class DriverProcess {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: AsyncIterator<string>;
  readonly #closed: Promise<unknown>;
  #id = 0;
  #stderr = '';

  constructor(private readonly entry: DriverEntry) {
    const [command, ...args] = entry.command;
    this.#child = spawn(command, args, { cwd: `${ROOT}${entry.cwd}` });
    this.#child.on('error', (error) => {
      this.#stderr += error.message;
    });
    this.#child.stdin.on('error', () => {}); // its end shows in stdout
    this.#child.stderr.on('data', (chunk) => {
      this.#stderr = (this.#stderr + chunk).slice(-4000);
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
    this.#closed = once(this.#child, 'close').catch(() => {});
  }

  /** @throws OpError */
  async call(op: string, args: object): Promise<Answer> {
    const id = ++this.#id;
    this.#child.stdin.write(`${write({ id, op, ...args })}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.entry.name} ended during ${op}: ${this.#stderr}`);
    const reply = JSON.parse(value);
    if (reply.id !== id) throw new Error(`${this.entry.name} answered ${reply.id} to ${id}: ${value}`);
    if (reply.error) throw new OpError(op, reply.error);
    return reply.ok;
  }

  /** Whether the process is as it was when it began. */
  renew(): Promise<boolean> {
    return this.call('renew', {}).then(
      () => true,
      () => false,
    );
  }

  async end(): Promise<void> {
    this.#child.stdin.end();
    await this.#closed;
  }

  kill(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Runs the entry's build; throws with its output. */
export async function build({ build, cwd }: DriverEntry): Promise<void> {
  if (!build) return;
  const [command, ...args] = build;
  const child = spawn(command, args, { cwd: `${ROOT}${cwd}`, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output = (output + chunk).slice(-4000);
    });
  }
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${build.join(' ')} failed: ${output}`);
}

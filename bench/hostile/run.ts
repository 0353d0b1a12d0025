/** One row: a server in the state that the row wants, its requests, and a probe beside it that measures and holds the bounds. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { newToken, tokenLine } from '../../src/auth/tokens.js';
import { launch, type Process } from '../measure.js';
import { SET, setRequest } from '../requests.js';
import { nodeFlags, remove, temporaryDirectory } from '../servers.js';
import { type Answer, Attacker, told } from './attacker.js';
import type { Bounds, Measured } from './probe.js';

const PROBE = fileURLToPath(new URL('./probe.ts', import.meta.url));
const PREPARE_SECONDS_MAX = 1200;
/** How long answers may take to be counted when their server is gone. */
const LAST_WORDS_MS = 1000;
const TINY = 'tiny';

/** What lies in the store before the attack. Several rows may begin with the same. */
export interface Preparation {
  readonly name: string;
  readonly chord?: readonly string[];
  run(scene: Scene): Promise<void>;
}

export interface Row {
  readonly name: string;
  /** What is sent, in a few words. */
  readonly what: string;
  readonly prepared?: Preparation;
  /** Flags of `chord serve`. */
  readonly chord?: (scratch: string) => readonly string[];
  /** Of the server's heap, in MiB. */
  readonly heap?: number;
  /** Says how it was answered. What comes before `scene.begin()`, if that is called, is not measured. */
  attack(scene: Scene): Promise<string>;
}

type Name = 'eve' | 'bob';

export interface Scene {
  readonly address: string;
  /** A directory of the row, for files beside the store. */
  readonly scratch: string;
  readonly pid: number;
  /** A connection: `eve` may do everything, `bob` only what lies below `team/b`. Absent: a stranger. `window`: bytes that it takes unread. */
  as(name?: Name, window?: number): Attacker;
  /** From here on it is measured. */
  begin(): Promise<void>;
}

export interface Result extends Measured {
  readonly name: string;
  readonly what: string;
  readonly answer: string;
  /** How the server ended. Absent: it is alive. */
  readonly ended?: string;
}

export interface Limits {
  readonly seconds: number;
  readonly bytes: number;
}

/** The refusal of a request without which there is nothing to attack. */
class Unprepared extends Error {}

export class Runner {
  /** Data directories by the name of their preparation. */
  readonly #prepared = new Map<string, string>();
  readonly #tokens = { ann: newToken(), eve: newToken(), bob: newToken() };

  constructor(
    private readonly main: string,
    private readonly limits: Limits,
    private readonly progress: (text: string) => void,
  ) {}

  async run(row: Row): Promise<Result> {
    const { name, what } = row;
    const scratch = temporaryDirectory();
    try {
      if (row.prepared) cpSync(await this.#prepare(row.prepared, scratch), join(scratch, 'data'), { recursive: true });
      this.progress('attacks');
      const heap = row.heap ? [`--max-old-space-size=${row.heap}`] : [];
      const server = await this.#serve(scratch, row.chord?.(scratch) ?? [], heap);
      try {
        return { name, what, ...(await this.#attack(row, server, scratch)) };
      } finally {
        server.signal('SIGKILL');
        await server.ended;
      }
    } catch (error) {
      if (!(error instanceof Unprepared)) throw error;
      return { name, what, ...NOTHING, answer: `refused as it was prepared: ${error.message}` };
    } finally {
      remove(scratch);
    }
  }

  close(): void {
    for (const directory of this.#prepared.values()) remove(directory);
  }

  /** By a server that has no heap limit and no quotas; it ends, so that the attack meets one with nothing in memory. */
  async #prepare({ name, chord = [], run }: Preparation, scratch: string): Promise<string> {
    const there = this.#prepared.get(name);
    if (there) return there;
    this.progress(`prepares ${name}`);
    const directory = temporaryDirectory();
    const server = await this.#serve(directory, ['--max-event-loop-delay', 'off', ...chord], []);
    const scene = this.#scene(server, scratch, async () => {});
    try {
      await within(PREPARE_SECONDS_MAX, run(scene.scene));
    } finally {
      scene.close();
      await server.stop();
    }
    const data = join(directory, 'data');
    this.#prepared.set(name, data);
    return data;
  }

  async #attack(row: Row, server: Process, scratch: string): Promise<Omit<Result, 'name' | 'what'>> {
    const probe = await this.#probe(server);
    const { scene, close } = this.#scene(server, scratch, () => probe.reset());
    await probe.reset();
    let ended: string | undefined;
    const dead = server.ended.then(async (how) => {
      ended = String(how);
      await new Promise((resolve) => setTimeout(resolve, LAST_WORDS_MS));
      return 'no answer';
    });
    const attack = row.attack(scene).catch((error: unknown) => {
      return `${error instanceof Unprepared ? 'could not begin' : 'failed'}: ${(error as Error).message}`;
    });
    const answer = await Promise.race([attack, dead]);
    const measured = await probe.end();
    close();
    return { ...measured, answer, ...(ended !== undefined && { ended }) };
  }

  #serve(directory: string, flags: readonly string[], node: readonly string[]): Promise<Process> {
    const [tokens, rules, data] = ['tokens', 'rules.json', 'data'].map((file) => join(directory, file)) as string[];
    writeFileSync(
      tokens!,
      Object.entries(this.#tokens)
        .map(([name, token]) => `${tokenLine(name, token)}\n`)
        .join(''),
    );
    writeFileSync(rules!, JSON.stringify(RULES));
    mkdirSync(data!, { recursive: true });
    const settings = ['--listen', '127.0.0.1:0', '--data-dir', data!, '--auth-tokens', tokens!, '--auth-rules', rules!];
    const args = [...nodeFlags(this.main), ...node, this.main, 'serve', ...settings, ...flags];
    return launch({ command: process.execPath, args, ready: /serving on (\S+)/ });
  }

  #scene({ address, pid }: Process, scratch: string, begin: () => Promise<void>) {
    const attackers: Attacker[] = [];
    const as = (name?: Name, window?: number): Attacker => {
      const attacker = new Attacker(address, name && this.#tokens[name], window);
      attackers.push(attacker);
      return attacker;
    };
    const close = (): void => {
      for (const attacker of attackers) attacker.close();
    };
    return { scene: { address, pid, scratch, as, begin } satisfies Scene, close };
  }

  async #probe({ address, pid }: Process) {
    const { seconds, bytes } = this.limits;
    const token = this.#tokens.ann;
    const ann = new Attacker(address, token);
    await must(ann.call(SET, setRequest(TINY, { n: 1 })));
    ann.close();
    const bounds: Bounds = { address, pid, token, contextId: TINY, seconds, bytes };
    const child: ChildProcess = fork(PROBE, [JSON.stringify(bounds)], { execArgv: ['--import', 'tsx'] });
    const gone = once(child, 'exit').then(() => Promise.reject(new Error('the probe has ended')));
    gone.catch(() => {});
    await Promise.race([once(child, 'message'), gone]);
    const reset = async (): Promise<void> => {
      child.send('reset');
      await new Promise((resolve) => setTimeout(resolve, 50));
    };
    const end = async (): Promise<Measured> => {
      child.send('end');
      const [measured] = await Promise.race([once(child, 'message'), gone]);
      return measured as Measured;
    };
    return { reset, end };
  }
}

const EVERYTHING = { prefix: '', rights: ['read', 'write', 'watch', 'admin', 'export'] };
const RULES = {
  identities: {
    ann: { grants: [EVERYTHING] },
    eve: { grants: [EVERYTHING] },
    bob: { grants: [{ prefix: 'team/b', rights: ['read'] }] },
  },
};

const NOTHING = {
  ...{
    cpu: 0,
    seconds: 0,
    peakGrowth: 0,
    peakHeapGrowth: 0,
    keptGrowth: 0,
    longestStall: 0,
    longestTurn: 0,
    calls: 0,
    refused: 0,
  },
  killed: undefined,
};

/** The answer of a call without which the row cannot begin. */
export async function must(call: Promise<Answer>): Promise<Answer> {
  const answer = await call;
  if (answer.code !== 'OK') throw new Unprepared(told(answer));
  return answer;
}

function within<T>(seconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Unprepared(`took more than ${seconds} s`)), seconds * 1000);
  });
  work.catch(() => {});
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

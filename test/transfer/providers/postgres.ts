/** A real PostgreSQL on a unix socket in a directory of its own. It refuses to run as root, so root becomes nobody. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const DEBIAN = '/usr/lib/postgresql';
const NOBODY = 65_534;

/** Where the server's programs are; undefined: there is no PostgreSQL to test with. */
export const POSTGRES_BIN = find();

function find(): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).map((version) => join(DEBIAN, version, 'bin')) : [];
  const places = [...versions, ...(process.env.PATH ?? '').split(':')];
  return places.find((place) => existsSync(join(place, 'initdb')) && existsSync(join(place, 'postgres')));
}

export class Postgres {
  #process: ChildProcess | undefined;

  private constructor(readonly directory: string) {}

  static async start(): Promise<Postgres> {
    const server = new Postgres(await mkdtemp(join(tmpdir(), 'chord-pg-')));
    const { directory } = server;
    if (process.getuid?.() === 0) await chown(directory, NOBODY, NOBODY);
    const data = join(directory, 'data');
    const args = ['-D', data, '-U', 'chord', '-A', 'trust', '-E', 'UTF8', '--locale', 'C', '--no-sync'];
    execFileSync(join(POSTGRES_BIN as string, 'initdb'), args, { stdio: 'ignore', ...server.#user });
    await server.start();
    return server;
  }

  get #user() {
    return process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY, cwd: this.directory } : { cwd: this.directory };
  }

  url(table: string): string {
    return `postgres://chord@/postgres?host=${encodeURIComponent(this.directory)}&table=${table}`;
  }

  async start(): Promise<void> {
    const options = ['-D', join(this.directory, 'data'), '-k', this.directory, '-c', 'listen_addresses=', '-F'];
    const child = spawn(join(POSTGRES_BIN as string, 'postgres'), options, {
      stdio: ['ignore', 'ignore', 'pipe'],
      ...this.#user,
    });
    this.#process = child;
    const kill = () => child.kill('SIGQUIT');
    process.once('exit', kill); // nothing outlives a test file that is cut short
    child.once('exit', () => process.off('exit', kill));
    let said = '';
    for await (const chunk of child.stderr) {
      said += chunk;
      if (said.includes('ready to accept connections')) break;
    }
    if (child.exitCode !== null) throw new Error(said);
  }

  /** SIGQUIT: at once, as a crash. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null) return;
    child.kill('SIGQUIT');
    child.kill('SIGCONT');
    await once(child, 'exit');
  }

  /** The postmaster goes on, but answers nobody who comes anew. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(signal);
  }

  async destroy(): Promise<void> {
    await this.stop();
    await rm(this.directory, { recursive: true });
  }
}

/** Waits: each is answered with a state that met its checks, and answered at all. */
import type { DocumentCheck } from '../../../src/model/conditions.js';
import { isUnavailable } from '../../../src/model/errors.js';
import { Waiter } from '../../../src/watch/waiter.js';
import { meets } from '../../random-model/plain.js';
import type { Disk } from './disk.js';
import { Call, type Judge } from './judge.js';
import type { Loop } from './loop.js';
import type { SimulatedServer } from './server.js';

interface Wait {
  readonly server: SimulatedServer;
  readonly id: string;
  readonly checks: readonly DocumentCheck[];
  readonly name: string;
  readonly waiter: Waiter;
}

export class Waits {
  readonly #open = new Set<Wait>();

  constructor(
    private readonly loop: Loop,
    private readonly disk: Disk,
    private readonly judge: Judge,
  ) {}

  get size(): number {
    return this.#open.size;
  }

  open(server: SimulatedServer, id: string, checks: readonly DocumentCheck[]): void {
    const { judge, loop } = this;
    const call = new Call(judge.calls.length, `wait for ${id} ${JSON.stringify(checks)}`, []);
    judge.calls.push(call);
    call.called = loop.steps;
    const { contexts, hub } = server.engine;
    const end = {
      met: async (at: Parameters<Judge['saw']>[2]) => {
        if (!server.alive || !this.#open.has(wait)) return true;
        try {
          const { document } = judge.saw(call.name, id, at);
          if (!checks.every((each) => meets(document, each))) {
            throw new Error(`${call.name} was answered at version ${at.version}, which is ${JSON.stringify(document)}`);
          }
          judge.reads(call, id, at);
          call.returned = loop.steps;
        } catch (error) {
          judge.failure ??= error;
        }
        this.#end(wait);
        return true;
      },
      fail: (error: unknown) => {
        if (!server.alive) return;
        if (!isUnavailable(error)) judge.failure ??= error;
        this.#end(wait);
      },
    };
    const wait: Wait = { server, id, checks, name: call.name, waiter: new Waiter(contexts, hub, { id, checks }, end) };
    this.#open.add(wait);
    wait.waiter.open().catch(end.fail);
  }

  /** Those of a server that goes. */
  drop(server: SimulatedServer): void {
    for (const wait of this.#open) if (wait.server === server) this.#end(wait);
  }

  /** All is quiet: what still waits has nothing to be answered with. */
  finish(): void {
    for (const wait of this.#open) {
      const { position, document } = this.disk.newest(wait.id);
      if (position && wait.checks.every((each) => meets(document, each))) {
        throw new Error(`${wait.name} was not answered; ${wait.id} is ${JSON.stringify(document)}`);
      }
      this.#end(wait);
    }
  }

  #end(wait: Wait): void {
    if (this.#open.delete(wait)) wait.waiter.close();
  }
}

/** Clients that write until their server is gone, and know what was acknowledged; all that they see goes into a history. */
import type { Position } from '../../../src/gen/chord/v1/model.js';
import type { Peer } from '../../support/chord.js';
import type { Operation, Touch } from '../checker/history.js';

export function stateOf({ epoch, version, digest }: Position): string {
  return `${epoch}:${version}:${digest}`;
}

/** The operations of a round, on a clock that counts events. */
export class Recorder {
  readonly operations: Operation[] = [];
  /** By context and version: what was acknowledged. */
  readonly acknowledged = new Map<string, string>();
  #now = 0;

  /**
   * Runs a call; `seen` says what its answer tells. A call that fails may have happened. `again`: the request may have
   * arrived before this round.
   */
  async run<T>(name: string, call: () => Promise<T>, seen: (answer: T) => Touch[], again = false): Promise<T> {
    const called = again ? 0 : ++this.#now;
    const answer = await call();
    const touches = seen(answer);
    this.operations.push({ name, called, returned: ++this.#now, touches });
    for (const { context, kind, state } of touches) {
      if (kind === 'writes' && state !== null) this.acknowledged.set(`${context} ${state.split(':')[1]}`, state);
    }
    return answer;
  }
}

interface WriteAnswer {
  readonly position?: Position | undefined;
  readonly changed: boolean;
}

export interface Writer {
  /** Writes until a call fails. */
  write(peer: Peer, recorder: Recorder, onAnswer: () => void): Promise<void>;
  /** What is wrong with what is there after a restart; what had no answer counts from now on if it happened. */
  problem(peer: Peer): Promise<string | undefined>;
}

/**
 * Counts in two places of a context that many writers share. With `named`, a write without an answer is repeated under its
 * request id; else it is looked up whether it happened.
 */
export class Counter implements Writer {
  /** The newest number that was acknowledged. */
  #done = 0;
  #unanswered = false;

  constructor(
    readonly name: string,
    readonly contextId: string,
    readonly named: boolean,
  ) {}

  async write(peer: Peer, recorder: Recorder, onAnswer: () => void): Promise<void> {
    const { name, contextId } = this;
    for (;;) {
      const n = this.#done + 1;
      const changes = { here: { [name]: n }, there: { [name]: n } };
      const requestId = this.named ? `${name} ${n}` : '';
      const call = () => peer.update({ contextId, changes, allowMissing: true, requestId });
      try {
        const seen = ({ position, changed }: WriteAnswer): Touch[] => {
          if (!changed) throw new Error(`${name}: ${n} changed nothing`);
          return [{ context: contextId, kind: 'writes', state: stateOf(position!) }];
        };
        await recorder.run(`${name} ${n}`, call, seen, this.#unanswered);
        this.#unanswered = false;
      } catch (error) {
        this.#unanswered = this.named;
        if (error instanceof Error && error.message.includes('changed nothing')) throw error;
        return;
      }
      this.#done = n;
      onAnswer();
    }
  }

  async problem(peer: Peer): Promise<string | undefined> {
    const { here, there } = (await peer.document(this.contextId)) as Record<string, Record<string, number>>;
    const found = [here?.[this.name] ?? 0, there?.[this.name] ?? 0] as const;
    if (found[0] !== found[1] || (found[0] !== this.#done && found[0] !== this.#done + 1)) {
      return `${this.name}: ${found[0]} here and ${found[1]} there, ${this.#done} was acknowledged`;
    }
    // A named write is repeated in any case, and must be answered as the first time.
    if (!this.named) this.#done = found[0];
    return undefined;
  }
}

/** Increments a number in three contexts, by batches under request ids. */
export class BatchWriter implements Writer {
  readonly #ids: readonly string[];
  #done = 0;
  #unanswered = false;

  constructor(readonly name: string) {
    this.#ids = [0, 1, 2].map((i) => `{${name}}:${i}`);
  }

  async write(peer: Peer, recorder: Recorder, onAnswer: () => void): Promise<void> {
    for (;;) {
      const mutations = [{ path: ['n'], operation: { $case: 'increment' as const, value: 1 } }];
      const writes = this.#ids.map((contextId) => ({
        write: {
          $case: 'update' as const,
          value: {
            changes: undefined,
            contextId,
            mutations,
            allowMissing: true,
            requestId: '',
            annotations: new Map(),
          },
        },
      }));
      const requestId = `${this.name} ${this.#done + 1}`;
      try {
        const seen = ({ results }: { readonly results: readonly WriteAnswer[] }) =>
          results.map(({ position }, i): Touch => {
            return { context: this.#ids[i]!, kind: 'writes', state: stateOf(position!) };
          });
        await recorder.run(requestId, () => peer.batch({ writes, requestId }), seen, this.#unanswered);
        this.#unanswered = false;
      } catch {
        this.#unanswered = true;
        return;
      }
      this.#done++;
      onAnswer();
    }
  }

  async problem(peer: Peer): Promise<string | undefined> {
    const documents = await Promise.all(this.#ids.map((id) => peer.document(id).catch(() => ({ n: 0 }))));
    const found = documents.map(({ n }) => n as number);
    const fits = found.every((n) => n === found[0]) && (found[0] === this.#done || found[0] === this.#done + 1);
    return fits ? undefined : `${this.name}: ${found}, ${this.#done} was acknowledged`;
  }
}

/** Makes a context and deletes it, each under a request id that is repeated until it is answered. */
export class ComeAndGo implements Writer {
  #step = 0;

  constructor(readonly contextId: string) {}

  async write(peer: Peer, _: Recorder, onAnswer: () => void): Promise<void> {
    for (;;) {
      const { contextId } = this;
      const requestId = `${contextId} ${this.#step}`;
      try {
        if (this.#step % 2 === 0) await peer.set({ contextId, value: { step: this.#step }, requestId });
        else await peer.delete({ contextId, requestId });
      } catch (error) {
        // Not found: its own delete, which had no answer, would have been answered by the request id.
        if ((error as { code?: number }).code === 5) throw error;
        return;
      }
      this.#step++;
      onAnswer();
    }
  }

  async problem(peer: Peer): Promise<string | undefined> {
    const document = await peer.document(this.contextId).catch(() => undefined);
    const expected = (step: number) => (step > 0 && step % 2 === 1 ? step - 1 : undefined);
    const found = document?.step;
    if (found === expected(this.#step) || found === expected(this.#step + 1)) return undefined;
    return `${this.contextId}: ${found ?? 'absent'} after ${this.#step} steps`;
  }
}

/** Reads again and again what others write. */
export async function read(peer: Peer, contextId: string, recorder: Recorder): Promise<void> {
  for (let i = 0; ; i++) {
    try {
      await recorder.run(
        `read ${contextId} ${i}`,
        () => peer.get({ contextId }),
        ({ context }) => {
          return [{ context: contextId, kind: 'reads', state: stateOf(context!.position!) }];
        },
      );
    } catch {
      return;
    }
  }
}

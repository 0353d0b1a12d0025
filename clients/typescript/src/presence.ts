/** A member that is there as long as this process keeps it there: who is in a room, which worker holds a job. */
import { attempt } from './callbacks.js';
import { ChordError, closed } from './errors.js';
import type { Json } from './json.js';
import type { Mutation, Path } from './model.js';
import { sleep } from './timers.js';

/** Of `presence`. */
export interface PresenceOptions {
  /** A renewal or the removal failed. The presence goes on trying. Without it, a failure is a warning of the process, or of the console. */
  readonly onError?: (error: ChordError) => void;
}

/** What a presence needs of the client. */
interface Calls {
  update(
    contextId: string,
    edit: { readonly mutations: readonly Mutation[] },
    options: { readonly allowMissing?: boolean; readonly deadline?: number },
  ): Promise<unknown>;
  touch(
    contextId: string,
    ttl: undefined,
    options: { readonly paths: readonly Path[]; readonly deadline: number; readonly signal: AbortSignal },
  ): Promise<unknown>;
  warn(error: Error): void;
}

/** Reasons for which a member must be set again: it has expired, or its context has gone. */
const GONE: readonly string[] = ['FAILED_PRECONDITION', 'NOT_FOUND'];

/** Call `close` when done. Made by `Client.presence`. */
export class Presence {
  readonly #closing = new AbortController();
  #running: Promise<void> | undefined;
  #closed: Promise<void> | undefined;
  /** Ends when no value is on its way: the one that is set last is the one that is there. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly client: Calls,
    readonly contextId: string,
    readonly path: Path,
    private value: Json,
    /** Milliseconds. */
    readonly ttl: number,
    private readonly options: PresenceOptions,
    private readonly ended: () => void,
  ) {}

  /** Sets the member, and begins to renew it. */
  async open(): Promise<this> {
    await this.set(this.value);
    this.#running = this.#run();
    return this;
  }

  /** Sets another value, which also renews the member. Of several at the same time, one waits for the other. @throws ChordError CANCELLED after `close` */
  set(value: Json): Promise<void> {
    return this.#inTurn(() => {
      if (this.#closing.signal.aborted) throw closed('presence');
      this.value = value;
      return this.#write();
    });
  }

  #inTurn(write: () => Promise<void>): Promise<void> {
    const written = this.#turn.then(write);
    this.#turn = written.catch(() => {});
    return written;
  }

  async #write(): Promise<void> {
    const mutations = [{ path: this.path, set: this.value, ttl: this.ttl }];
    await this.client.update(this.contextId, { mutations }, { allowMissing: true });
  }

  /** Ends the renewals and removes the member. Where the removal fails, the member expires. Later calls change nothing. */
  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    this.ended();
    const edit = { mutations: [{ path: this.path, remove: true }] } as const;
    await this.#inTurn(async () => void (await this.client.update(this.contextId, edit, { deadline: this.ttl }))).catch(
      (error) => {
        if (!isGone(error)) this.#report(error);
      },
    );
  }

  async #run(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      // Random, so that those that began together do not stay together.
      const wait = (this.ttl / 3) * (0.8 + 0.4 * Math.random());
      await sleep(wait, signal);
      if (signal.aborted) return;
      await this.#renew(signal).catch((error) => {
        if (!signal.aborted) this.#report(error);
      });
    }
  }

  async #renew(signal: AbortSignal): Promise<void> {
    try {
      await this.client.touch(this.contextId, undefined, { paths: [this.path], deadline: this.ttl, signal });
    } catch (error) {
      if (!isGone(error)) throw error;
      await this.#inTurn(async () => {
        if (!signal.aborted) await this.#write();
      });
    }
  }

  #report(error: unknown): void {
    const { onError } = this.options;
    attempt(() => {
      if (onError && error instanceof ChordError) onError(error);
      else this.client.warn(error as Error);
    });
  }
}

function isGone(error: unknown): boolean {
  return error instanceof ChordError && GONE.includes(error.reason);
}

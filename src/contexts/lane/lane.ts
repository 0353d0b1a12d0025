import { type Head, type Position, samePosition, sameUse } from '../../model/model.js';
import type { Outcome, Store } from '../../store/store.js';
import type { CommitEvent, DeltaView, View } from '../events.js';
import type { Since } from '../sync/history.js';
import type { Form } from './document.js';
import {
  ATTEMPTS_MAX,
  Duplicate,
  isDurable,
  isSettled,
  type LaneLock,
  PendingWrite,
  tooBusy,
} from './pending-write.js';
import { type Effect, LaneState, type TipView } from './state.js';

/** What an empty lane costs in memory, about. */
export const LANE_BYTES = 1300;

export class Lane {
  /** For `Lanes`: what it has counted for this lane, and those next to it in the order of use. */
  bytesCounted = 0;
  older: Lane | undefined;
  newer: Lane | undefined;
  readonly #state: LaneState;
  /** `holding`: what is in flight must be answered before anything rests on it, or the lane was given to a holder. */
  #phase: 'cold' | 'recovering' | 'live' | 'holding' = 'cold';
  readonly #inFlight: PendingWrite[] = [];
  readonly #waiting: (PendingWrite | LaneLock)[] = [];
  #refreshing: Promise<void> | undefined;
  #refreshNext: Promise<void> | undefined;

  constructor(
    readonly id: string,
    private readonly store: Store,
    private readonly publish: (event: CommitEvent) => void,
    private readonly changed: (lane: Lane) => void,
    threshold: number,
  ) {
    this.#state = new LaneState(id, store, publish, threshold);
  }

  /** What the store has confirmed. */
  get durable(): Head | null {
    return this.#state.durable;
  }

  /** What the next write is evaluated on. */
  get tip(): Head | null {
    return this.#state.tip;
  }

  get live(): boolean {
    return this.#phase === 'live';
  }

  /** Whether `durable` is what the store has confirmed, and not only to be found out yet. */
  get known(): boolean {
    return this.#phase === 'live' || this.#phase === 'holding';
  }

  /** Whether something is under way: such a lane must not be forgotten. */
  get busy(): boolean {
    const { length } = this.#inFlight;
    return length > 0 || this.#waiting.length > 0 || this.#phase === 'recovering' || this.#phase === 'holding';
  }

  /** Memory it takes, in bytes, about. */
  get bytes(): number {
    return LANE_BYTES + this.#state.bytes;
  }

  /** Runs a use case on the tip; resolves when everything that its answer rests on is durable. */
  submit<T>(evaluate: (tip: TipView) => Effect<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const task = new PendingWrite(evaluate, resolve, reject);
      if (this.live && this.#waiting.length === 0) return this.#start(task);
      this.#waiting.push(task);
      if (this.#phase === 'cold') void this.#recover();
    });
  }

  /** Resolves when the lane has state from the store, and what is in flight now is durable. */
  ready(): Promise<void> {
    return this.submit(({ tip }) => ({ head: tip, answer: undefined }));
  }

  /**
   * The lane to oneself, for writes to several contexts at once: resolves when nothing is in flight here and the state
   * is loaded; until `release`, nothing else starts. Whoever holds several has asked for all of them in one go, without
   * waiting in between: then no two wait for one another.
   */
  hold(): Promise<LaneState> {
    return new Promise((grant, reject) => {
      this.#waiting.push({ grant, reject });
      if (this.live) this.#admit();
      else if (this.#phase === 'cold') void this.#recover();
    });
  }

  /** `stale`: the state must be loaded before anything rests on it. */
  release(stale: boolean): void {
    this.#phase = stale || !this.#state.whole ? 'cold' : 'live';
    if (this.live) this.#admit();
    else if (this.#waiting.length > 0) void this.#recover();
    this.changed(this);
  }

  /** The durable context with its document; null where it does not exist. */
  view<T>(form: Form<T>): View<T> | null | Promise<View<T> | null> {
    if (this.live && this.#inFlight.length === 0) {
      const view = this.#state.view(form);
      this.changed(this);
      return view;
    }
    // Made now, at the tip, and answered when that is durable.
    return this.submit(({ id, tip }) => ({
      head: tip,
      answer: tip ? { id, head: tip, value: form.of(this.#state.content) } : null,
    }));
  }

  /** The one delta from `known`, which is behind the durable position `head` by at most the threshold, of so many bytes. */
  since(known: Position, head: Position, bytesMax: number): Since | Promise<Since> {
    const found = this.#state.history.since(known, bytesMax);
    const since = found === 'not in memory' ? this.#state.history.fetch(known, head, bytesMax) : found;
    return since instanceof Promise ? since.finally(() => this.changed(this)) : since;
  }

  /** Forgets what the store has forgotten. */
  forgetHistory(upTo: number): void {
    this.#state.history.trim(upTo);
    this.changed(this);
  }

  /**
   * Makes sure that the durable state holds every commit acknowledged before this call, by whatever server.
   * Calls that come while one is being answered share the next one.
   */
  refresh(): Promise<void> {
    this.#refreshNext ??= (async () => {
      await this.#refreshing?.catch(() => {});
      this.#refreshing = this.#refreshNext;
      this.#refreshNext = undefined;
      await this.#checkHead();
    })();
    return this.#refreshNext;
  }

  /** Another server's commit, as a hint. Where the store is looked at for it, resolves when watchers are told. */
  offer(delta: DeltaView): Promise<void> | undefined {
    // A load under way may bring this commit without a word.
    if (!this.live) {
      this.publish({ kind: 'delta', id: this.id, delta });
      return undefined;
    }
    const { tip } = this;
    if (tip && delta.to.epoch === tip.position.epoch && delta.to.version <= tip.position.version) return undefined;
    const next = this.#inFlight.length === 0 && tip && samePosition(delta.from, tip.position);
    if (!next) return this.distrust();
    this.#state.fold(delta);
    return undefined;
  }

  /** Something may have happened elsewhere: look, and tell watchers. Resolves when they are told. */
  distrust(): Promise<void> {
    return this.refresh().catch(() => this.publish({ kind: 'reset', id: this.id }));
  }

  #start(task: PendingWrite): void {
    task.attempts++;
    task.effect = task.refusal = task.outcome = task.failure = undefined;
    this.#inFlight.push(task);
    try {
      task.effect = task.evaluate(this.#state);
    } catch (error) {
      // A refusal, too, rests on a tip that may not become durable.
      task.refusal = error;
    }
    const stored = task.effect && this.#store(task.effect);
    // Should one of these come to nothing, what rests on it might not notice: the position is the same without it.
    const { removal, commit, delta } = task.effect ?? {};
    if (removal || (commit?.request && !delta)) this.#phase = 'holding';
    if (stored) {
      stored.then(
        (outcome) => {
          task.outcome = outcome;
          this.#settle();
        },
        (error) => {
          task.failure = error;
          this.#settle();
        },
      );
    } else {
      task.outcome = 'nothing to store';
      if (this.#inFlight.length === 1) this.#settle();
    }
  }

  #store(effect: Effect<unknown>): Promise<Outcome> | undefined {
    this.#state.moveTip(effect);
    if (effect.commit) return this.store.commit(effect.commit);
    return effect.removal && this.store.remove(effect.removal);
  }

  /** Lets go, in order, of everything at the front that is durable. */
  #settle(): void {
    const queue = this.#inFlight;
    for (let task = queue[0]; task && isSettled(task); task = queue[0]) {
      if (!isDurable(task)) {
        this.#phase = 'recovering'; // what comes from now on would only have to be taken back too
        if (queue.every(isSettled)) void this.#recover();
        return;
      }
      queue.shift();
      if (task.effect) {
        this.#state.confirm(task.effect);
        task.resolve(task.effect.answer as never);
      } else task.reject(task.refusal);
    }
    if (this.#phase === 'holding' && queue.length === 0) {
      this.#phase = 'live';
      this.#admit();
    }
    this.changed(this);
  }

  /** Starts what waits, up to the next hold: while something waits, the lane is busy and not forgotten. */
  #admit(): void {
    for (let next = this.#waiting[0]; this.live && next; next = this.#waiting[0]) {
      if ('evaluate' in next) {
        this.#waiting.shift();
        this.#start(next);
        continue;
      }
      this.#phase = 'holding';
      if (this.#inFlight.length > 0) return;
      this.#waiting.shift();
      next.grant(this.#state);
    }
  }

  /** Takes back what did not become durable, reads what the store has, and starts again what may start again. */
  async #recover(): Promise<void> {
    this.#phase = 'recovering';
    const taken = this.#inFlight.splice(0);
    try {
      this.#state.takeBack(taken.flatMap(({ effect }) => effect ?? []));
      await this.#state.catchUp();
    } catch (error) {
      this.#phase = 'cold';
      this.#state.forget();
      for (const task of [...this.#answerKnown(taken), ...this.#waiting.splice(0)]) task.reject(error);
      this.changed(this);
      return;
    }
    this.#phase = 'live';
    this.#waiting.unshift(...this.#answerKnown(taken));
    this.#admit();
    this.changed(this);
  }

  /** Answers the tasks whose fate is known; returns those that are to be evaluated again. */
  #answerKnown(taken: readonly PendingWrite[]): PendingWrite[] {
    let failure: unknown;
    return taken.filter((task) => {
      const { outcome, effect } = task;
      failure ??= task.failure;
      if (typeof outcome === 'object' && outcome.kind === 'duplicate') task.reject(new Duplicate(outcome.first));
      // It stands on one that did not succeed, or did not say so. Evaluated again, it would happen twice.
      else if (isDurable(task) && (effect?.commit || effect?.removal)) task.resolve(effect.answer as never);
      else if (failure !== undefined && (effect?.commit || effect?.removal)) task.reject(task.failure ?? failure);
      else if (task.attempts >= ATTEMPTS_MAX) task.reject(tooBusy(this.id));
      else return true;
      return false;
    });
  }

  async #checkHead(): Promise<void> {
    // A load that begins now reads the newest state anyway.
    if (this.#phase === 'cold') return this.ready();
    await this.ready();
    const before = this.durable;
    const head = await this.store.head(this.id);
    while (!this.#holds(head, before)) {
      const idle = this.live && this.#inFlight.length === 0;
      if (idle) void this.#recover();
      // What is in flight ends durable, or finds out by a conflict and reads.
      await this.ready();
      if (idle) return;
    }
  }

  /** Whether the durable state is as new as `head`, which was read when the durable state was `before`. */
  #holds(head: Head | null, before: Head | null): boolean {
    const { durable } = this;
    if (!head || !durable) return head === durable;
    const { epoch, version } = head.position;
    if (epoch !== durable.position.epoch) return false;
    if (before?.position.epoch === epoch && version < before.position.version) return false; // it has lost writes
    if (version < durable.position.version) return true;
    return samePosition(head.position, durable.position) && sameUse(head, durable); // a touch moves the times alone
  }
}

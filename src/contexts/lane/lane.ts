/**
 * A lane: the single file in which the writes of one context line up. Each is evaluated on the tip and handed to the store at
 * once, without waiting for the one before (*in flight*); answers leave in order, each when its own commit is durable.
 *
 * The phases:
 *
 *              a write, a lock                 the store answered
 *      cold -------------------> recovering ------------------------> live <---------------+
 *       ^                        |   ^   ^                            |  |                  |
 *       |     the store failed   |   |   |  a commit failed, or met   |  |  a lock, a       | nothing is in flight
 *       +------------------------+   |   |  a conflict or a repeat    |  |  removal, ...    | any more; or released
 *       ^                            |   +----------------------------+  v                  |
 *       |                            +------------------------------- holding --------------+
 *       |      released as stale                                         |
 *       +----------------------------------------------------------------+
 *
 * cold: nothing of the context is known. A write or a lock waits, and begins the recovery.
 * recovering: takes back what was in flight and did not become durable, reads what the store has, and evaluates again what
 *   may happen again: after a conflict; not after a failure, where the store may have it. Everything new waits. It begins when
 *   all that is in flight has an outcome.
 * live: a write starts at once.
 * working: the next write needs a large document, which is decoded or encoded in steps before; or changes so much that it
 *   is evaluated in steps. Nothing else starts. It is live again afterwards, unless a commit that was in flight has failed.
 * holding: nothing starts. Either a removal, or a write with a request id that changed nothing, is in flight: later writes
 *   could not tell by the position whether it came to nothing. Or a batch waits for the lane, or has it (`hold`).
 */
import { type Head, type Position, samePosition } from '../../model/model.js';
import type { Duplicate, Outcome, Store } from '../../store/store.js';
import type { CommitEvent, DeltaView, View } from '../events.js';
import { Pace } from '../long-work.js';
import type { Since } from '../sync/history.js';
import { ENCODED, type Form, type Need } from './document.js';
import {
  answerKnown,
  type Evaluation,
  isConflict,
  isDurable,
  isSettled,
  type LaneLock,
  LongEvaluation,
  PendingWrite,
  type TraceEvaluation,
  type Upkeep,
} from './pending-write.js';
import { type Effect, LaneState, type TipView } from './state.js';

/** Writes in flight to a shared store: after a conflict, all are evaluated again. Further ones wait unevaluated. */
const IN_FLIGHT_MAX = 128;

/** The approximate memory of an empty lane, in bytes. */
export const LANE_BYTES = 1300;

export class Lane {
  /** For `Lanes`: the bytes counted for this lane, and its neighbours in the order of use. */
  bytesCounted = 0;
  older: Lane | undefined;
  newer: Lane | undefined;
  readonly #state: LaneState;
  #phase: 'cold' | 'recovering' | 'live' | 'working' | 'holding' = 'cold';
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
    private readonly upkeep: Upkeep,
    private readonly traceEvaluation?: TraceEvaluation,
  ) {
    this.#state = new LaneState(id, store, publish, threshold, this.#inFlight);
  }

  /** The state that the store has confirmed. */
  get durable(): Head | null {
    return this.#state.durable;
  }

  /** The state on which the next write is evaluated. */
  get tip(): Head | null {
    return this.#state.tip;
  }

  get live(): boolean {
    return this.#phase === 'live';
  }

  /** Whether `durable` is confirmed by the store: false before a load, and during recovery. */
  get known(): boolean {
    return this.#phase !== 'cold' && this.#phase !== 'recovering';
  }

  /** Whether work is in progress: a busy lane must not be evicted. */
  get busy(): boolean {
    const { length } = this.#inFlight;
    return length > 0 || this.#waiting.length > 0 || (this.#phase !== 'cold' && this.#phase !== 'live');
  }

  /** The approximate memory of the lane, in bytes. */
  get bytes(): number {
    return LANE_BYTES + this.#state.bytes;
  }

  /** Runs a use case on the tip; resolves when every commit that the answer depends on is durable. */
  submit<T>(evaluate: Evaluation<T>, need?: Need): Promise<T> {
    return this.write(evaluate, need) as Promise<T>; // without a request id there is no duplicate
  }

  /** The same for a use case that may be a repeat: where the store knows its request id, the first try is the answer. */
  write<T>(useCase: Evaluation<T>, need?: Need): Promise<T | Duplicate> {
    return this.#queue(this.traceEvaluation ? this.traceEvaluation(useCase) : useCase, need);
  }

  #queue<T>(evaluate: Evaluation<T>, need?: Need): Promise<T | Duplicate> {
    return new Promise((resolve, reject) => {
      const task = new PendingWrite(evaluate, resolve, reject, need);
      const free = this.#waiting.length === 0 && !this.#full;
      if (this.live && free && !this.#lacking(need)) return this.#start(task);
      this.#waiting.push(task);
      if (this.live) this.#admit();
      else if (this.#phase === 'cold') void this.#recover();
    });
  }

  /** Resolves when the lane has loaded its state, and the commits that are now in flight are durable. */
  ready(): Promise<void> {
    return this.submit(({ tip }) => ({ head: tip, answer: undefined }));
  }

  /** Removes the members whose time is over; resolves when that is durable. */
  endMembers(): Promise<void> {
    return this.#queue(this.upkeep.evaluate) as Promise<void>;
  }

  /**
   * Acquires the lane lock, for writes to several contexts at once: resolves when no write is in flight and the state
   * is loaded; until `release`, no other write starts. A batch must request all of its lane locks in one turn of the event
   * loop, without waiting in between: then no two batches wait for one another.
   */
  hold(): Promise<LaneState> {
    return new Promise((grant, reject) => {
      this.#waiting.push({ grant, reject });
      if (this.live) this.#admit();
      else if (this.#phase === 'cold') void this.#recover();
    });
  }

  /** `stale`: the state must be loaded again before use. */
  release(stale: boolean): void {
    this.#phase = stale || !this.#state.whole ? 'cold' : 'live';
    if (this.live) this.#admit();
    else if (this.#waiting.length > 0) void this.#recover();
    this.changed(this);
  }

  /** The durable context with its document; null where the context does not exist. */
  view<T>(form: Form<T>): View<T> | null | Promise<View<T> | null> {
    const need = (form as unknown) === ENCODED ? 'encoded' : 'value';
    if (this.live && this.#inFlight.length === 0 && !this.#lacking(need)) {
      const view = this.#state.view(form);
      this.changed(this);
      return view;
    }
    // The view is made now, at the tip, and answered when the tip is durable.
    const made = ({ id, tip }: TipView) => ({
      head: tip,
      answer: tip ? { id, head: tip, value: form.of(this.#state.content) } : null,
    });
    return this.submit(made, need);
  }

  /** One delta from `known`, which is behind the durable position `head`; the merge may cost `costMax`. */
  since(known: Position, head: Position, costMax: number): Since | Promise<Since> {
    const found = this.#state.history.since(known, costMax);
    const since = found === 'not in memory' ? this.#state.history.fetch(known, head, costMax) : found;
    return since instanceof Promise ? since.finally(() => this.changed(this)) : since;
  }

  /** Drops the deltas that the store has trimmed. */
  forgetHistory(upTo: number): void {
    this.#state.history.trim(upTo);
    this.changed(this);
  }

  /**
   * Ensures that the durable state includes every commit acknowledged before this call, by any server.
   * Calls that arrive during a refresh share the next refresh.
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
    if (tip && delta.to.epoch === tip.position.epoch && delta.to.version <= tip.position.version) {
      // A lane that was loaded after the commit has told watchers nothing of it.
      this.#state.repeat(delta);
      // The tip may be that of writes in flight: then they conflict with this commit.
      return delta.to.version > (this.durable?.position.version ?? 0) ? this.distrust() : undefined;
    }
    const next = this.#inFlight.length === 0 && tip && samePosition(delta.from, tip.position);
    if (!next || this.#lacking('value')) return this.distrust();
    this.#state.fold(delta);
    return undefined;
  }

  /** Something may have happened elsewhere: look, and tell watchers. Resolves when they are told. */
  distrust(): Promise<void> {
    return this.refresh().catch(() => this.publish({ kind: 'reset', id: this.id }));
  }

  #start(task: PendingWrite): void {
    if (this.#isDue() && task.evaluate !== this.upkeep.evaluate) {
      // Where it fails, so do the writes that come after it.
      this.#begin(new PendingWrite(this.upkeep.evaluate, ignore, ignore));
    }
    this.#begin(task);
  }

  #begin(task: PendingWrite): void {
    task.attempts++;
    task.effect = task.refusal = task.outcome = task.failure = undefined;
    this.#inFlight.push(task);
    try {
      const made = task.evaluate(this.#state);
      if (made instanceof LongEvaluation) return void this.#evaluateInSteps(task, made);
      task.effect = made;
    } catch (error) {
      // A refusal, too, depends on a tip that may not become durable.
      task.refusal = error;
    }
    this.#pass(task);
  }

  /** The write is in flight meanwhile: what was in flight before it may fail, but is undone only afterwards. */
  async #evaluateInSteps(task: PendingWrite, long: LongEvaluation<unknown>): Promise<void> {
    this.#phase = 'working';
    try {
      task.effect = await long.run(new Pace());
    } catch (error) {
      task.refusal = error;
    }
    if (this.#phase !== 'working') {
      if (task.effect) this.#state.moveTip(task.effect);
      task.outcome = 'not stored';
      return this.#settle();
    }
    this.#phase = 'live';
    this.#pass(task);
    this.#admit();
    this.changed(this);
  }

  /** Passes an evaluated write to the store. */
  #pass(task: PendingWrite): void {
    const stored = task.effect && this.#store(task.effect);
    // Where such a commit fails, a write based on it could not detect that: the position is the same without the commit.
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

  /** Answers all durable writes at the front of the queue, in order. */
  #settle(): void {
    const queue = this.#inFlight;
    for (let task = queue[0]; task && isSettled(task); task = queue[0]) {
      if (!isDurable(task)) {
        this.#phase = 'recovering'; // a write that started now would have to be undone too
        if (queue.every(isSettled)) void this.#recover();
        return;
      }
      queue.shift();
      if (task.effect) {
        this.#state.confirm(task.effect);
        task.resolve(task.effect.answer as never);
      } else task.reject(task.refusal);
    }
    if (this.#phase === 'holding' && queue.length === 0) this.#phase = 'live';
    if (this.#waiting.length > 0) this.#admit();
    this.changed(this);
  }

  /** Starts waiting writes, up to the next lane lock: while writes wait, the lane is busy and not evicted. */
  #admit(): void {
    for (let next = this.#waiting[0]; this.live && next; next = this.#waiting[0]) {
      if ('evaluate' in next) {
        if (this.#full) return;
        const lacking = this.#lacking(next.need);
        if (lacking) return void this.#prepare(lacking);
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

  get #full(): boolean {
    return this.#inFlight.length >= IN_FLIGHT_MAX && this.store.cluster !== undefined;
  }

  /** What must be prepared in steps before a use case that needs this can start. */
  #lacking(need: Need | undefined): Need | undefined {
    const what = this.#isDue() ? 'value' : need;
    return what !== undefined && this.#state.content.lacks(what) ? what : undefined;
  }

  /** Members may have expired. */
  #isDue(): boolean {
    const { tip } = this.#state;
    return tip?.members !== undefined && this.upkeep.isDue(tip);
  }

  async #prepare(need: Need): Promise<void> {
    this.#phase = 'working';
    await this.#state.content.prepare(need);
    if (this.#phase !== 'working') return;
    this.#phase = 'live';
    this.#admit();
    this.changed(this);
  }

  /** Undoes the writes that did not become durable, loads the state, and starts the writes that may be repeated. */
  async #recover(): Promise<void> {
    this.#phase = 'recovering';
    const taken = this.#inFlight.splice(0);
    const turns = taken.some(isConflict) ? this.store.cluster?.turns : undefined;
    try {
      this.#state.takeBack(taken.flatMap(({ effect }) => effect ?? []));
      await turns?.take(this.id);
      await this.#state.catchUp(taken.length > 0);
    } catch (error) {
      this.#phase = 'cold';
      this.#state.forget();
      for (const task of [...answerKnown(this.id, taken), ...this.#waiting.splice(0)]) task.reject(error);
      this.changed(this);
      return;
    }
    this.#phase = 'live';
    this.#waiting.unshift(...answerKnown(this.id, taken));
    this.#admit();
    turns?.end(this.id);
    this.changed(this);
  }

  async #checkHead(): Promise<void> {
    // A load that begins now reads the newest state anyway.
    if (this.#phase === 'cold') return this.ready();
    await this.ready();
    const before = this.durable;
    const head = await this.store.head(this.id);
    while (!this.#state.holds(head, before)) {
      const idle = this.live && this.#inFlight.length === 0;
      if (idle) void this.#recover();
      // A write in flight becomes durable, or ends in a conflict and causes a load.
      await this.ready();
      if (idle) return;
    }
  }
}

function ignore(): void {}

/**
 * A lane: one context's place in memory, and the single file in which its writes line up.
 *
 * It keeps two states. *Durable* is what the store has confirmed, and the only one that readers and watchers
 * ever see. The *tip* is ahead of it by the writes that are in flight: each write is evaluated on the tip and
 * handed to the store at once, so that many share one sync to disk or one round trip. Answers and events leave
 * in order, each when its own commit is durable; an answer that stored nothing waits for those before it.
 *
 * When a commit does not succeed, everything built upon it is taken back. After a conflict (another server was
 * faster) or a duplicate, the lane reads what it lacks and evaluates the rest again; after a failure of the
 * store it rejects them, since nobody knows what was stored.
 */
import { decodeChanges } from '../codec/changes.js';
import type { EncodedStruct } from '../codec/struct.js';
import { weightChange } from '../delta/index.js';
import { ChordError } from '../errors.js';
import { type Head, type JsonObject, samePosition } from '../model.js';
import type { Commit, Outcome, Payload, Removal, Request, Store } from '../store/store.js';
import { advance } from './digest.js';
import { LaneDocument } from './document.js';
import { type CommitEvent, type DeltaView, isLarge, type View } from './events.js';
import { History } from './history.js';

/** What a use case makes of the tip. */
export interface Effect<T> {
  /** What to store. Absent: nothing; the answer only waits for what is in flight. */
  readonly commit?: Commit;
  readonly removal?: Removal;
  /** The tip afterwards. */
  readonly head: Head | null;
  readonly document?: JsonObject;
  readonly delta?: DeltaView;
  readonly answer: T;
}

/** The store knows this request id already. */
export class Duplicate extends Error {
  constructor(readonly first: Request) {
    super('this request was committed before');
  }
}

interface Task {
  /** Evaluates on the tip, or throws why it refuses. */
  readonly evaluate: (lane: Lane) => Effect<unknown>;
  readonly resolve: (answer: never) => void;
  readonly reject: (error: unknown) => void;
  attempts: number;
  effect?: Effect<unknown> | undefined;
  refusal?: unknown;
  outcome?: Outcome | 'nothing to store' | undefined;
  failure?: unknown;
}

/** Times that a write is evaluated again because other servers were faster. */
const ATTEMPTS_MAX = 100;
/** What an empty lane costs in memory, about. */
const LANE_BYTES = 1000;

export class Lane {
  durable: Head | null = null;
  tip: Head | null = null;
  readonly history: History;
  /** What `Lanes` has counted for this lane. */
  bytesCounted = 0;
  #state: 'cold' | 'recovering' | 'live' = 'cold';
  readonly #document = new LaneDocument();
  /** The durable context with its document: the same object until the next commit. */
  #view: View | undefined;
  #loadedBefore = false;
  readonly #inFlight: Task[] = [];
  readonly #waiting: Task[] = [];
  #refresh: { running: Promise<void> | undefined; next: Promise<void> | undefined } = {
    running: undefined,
    next: undefined,
  };

  constructor(
    readonly id: string,
    private readonly store: Store,
    private readonly publish: (event: CommitEvent) => void,
    private readonly changed: (lane: Lane) => void,
    threshold: number,
  ) {
    this.history = new History(id, store, threshold);
  }

  get live(): boolean {
    return this.#state === 'live';
  }

  /** Whether something is under way: such a lane must not be forgotten. */
  get busy(): boolean {
    return this.#inFlight.length > 0 || this.#waiting.length > 0 || this.#state === 'recovering';
  }

  /** Memory it takes, in bytes, about. */
  get bytes(): number {
    return LANE_BYTES + this.history.bytes + this.#document.bytes(this.tip?.weight ?? 0);
  }

  /** Runs a use case on the tip; resolves when everything that its answer rests on is durable. */
  submit<T>(evaluate: (lane: Lane) => Effect<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const task: Task = { evaluate, resolve, reject, attempts: 0 };
      if (this.#state === 'live') this.#start(task);
      else {
        this.#waiting.push(task);
        if (this.#state === 'cold') void this.#recover();
      }
    });
  }

  /** The document at the tip; {} where there is none. A use case that changes it in place says so in its effect. */
  document(): JsonObject {
    return this.#document.value();
  }

  /** The document at the tip, encoded once. */
  encoded(): EncodedStruct {
    return this.#document.encoded();
  }

  /** Whether this write should store a snapshot too. */
  snapshotDue(payload: Payload, weight: number): boolean {
    return this.#document.snapshotDue(payload, weight);
  }

  /** The durable context with its document; null where it does not exist. */
  view(): View | null | Promise<View | null> {
    if (this.#state === 'live' && this.#inFlight.length === 0) {
      if (!this.durable) return null;
      this.#view ??= { id: this.id, head: this.durable, value: this.encoded() };
      return this.#view;
    }
    // Encoded now, at the tip, and answered when that is durable.
    return this.submit((lane) => ({
      head: lane.tip,
      answer: lane.tip ? { id: lane.id, head: lane.tip, value: lane.encoded() } : null,
    }));
  }

  /** Resolves when the lane has state from the store. */
  ready(): Promise<void> {
    return this.live ? Promise.resolve() : this.submit((lane) => ({ head: lane.tip, answer: undefined }));
  }

  /**
   * Makes sure that the durable state holds every commit acknowledged before this call, by whatever server.
   * Calls that come while one is being answered share the next one.
   */
  refresh(): Promise<void> {
    const slot = this.#refresh;
    if (slot.next !== undefined) return slot.next;
    const run = async (): Promise<void> => {
      await slot.running?.catch(() => {});
      slot.next = undefined;
      slot.running = this.#checkHead();
      await slot.running;
    };
    slot.next = run();
    return slot.next;
  }

  /** Another server's commit, as a hint. */
  offer(delta: DeltaView): void {
    const { tip } = this;
    if (this.live && tip && delta.to.epoch === tip.position.epoch && delta.to.version <= tip.position.version) return;
    const next = this.live && this.#inFlight.length === 0 && tip && samePosition(delta.from, tip.position);
    if (next) this.#fold(delta);
    else this.distrust();
  }

  /** Something may have happened elsewhere: look, and tell watchers. */
  distrust(): void {
    this.refresh().catch(() => this.publish({ kind: 'reset', id: this.id }));
  }

  #start(task: Task): void {
    task.attempts++;
    task.outcome = undefined;
    task.failure = undefined;
    task.refusal = undefined;
    task.effect = undefined;
    this.#inFlight.push(task);
    try {
      task.effect = task.evaluate(this);
    } catch (error) {
      // A refusal, too, rests on a tip that may not become durable.
      task.refusal = error;
      task.outcome = 'nothing to store';
      if (this.#inFlight.length === 1) this.#settle();
      return;
    }
    const { effect } = task;
    this.#moveTip(effect);
    const stored = effect.commit
      ? this.store.commit(effect.commit)
      : effect.removal
        ? this.store.remove(effect.removal)
        : undefined;
    if (!stored) {
      task.outcome = 'nothing to store';
      if (this.#inFlight.length === 1) this.#settle();
      return;
    }
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
  }

  #moveTip(effect: Effect<unknown>): void {
    this.tip = effect.head;
    if (effect.removal) this.#document.clear();
    if (effect.delta)
      this.#document.moved(effect.document as JsonObject, effect.delta.payload, effect.commit?.snapshot);
  }

  /** Lets go, in order, of everything at the front that is durable. */
  #settle(): void {
    const queue = this.#inFlight;
    while (queue.length > 0) {
      const task = queue[0] as Task;
      if (task.failure === undefined && task.outcome === undefined) break;
      const durable = task.outcome === 'nothing to store' || task.outcome?.kind === 'committed';
      if (!durable) {
        if (queue.every((each) => each.failure !== undefined || each.outcome !== undefined)) void this.#recover();
        return;
      }
      queue.shift();
      if (task.refusal !== undefined) task.reject(task.refusal);
      else this.#finish(task, task.effect as Effect<unknown>);
    }
    this.changed(this);
  }

  #finish(task: Task, effect: Effect<unknown>): void {
    if (effect.commit || effect.removal) {
      this.durable = effect.head;
      this.#view = undefined;
    }
    if (effect.delta) {
      this.history.push(effect.delta);
      this.publish({ kind: 'delta', id: this.id, delta: effect.delta });
    }
    if (effect.removal) {
      this.history.clear();
      this.publish({ kind: 'removed', id: this.id, reason: effect.removal.reason });
    }
    task.resolve(effect.answer as never);
  }

  /** Takes back what did not become durable, reads what the store has, and starts again what may start again. */
  async #recover(): Promise<void> {
    this.#state = 'recovering';
    const taken = this.#inFlight.splice(0);
    const first = taken[0];
    try {
      this.#takeBack(taken);
      await this.#catchUp();
    } catch (error) {
      this.#state = 'cold';
      this.#document.clear();
      for (const task of [...taken, ...this.#waiting.splice(0)]) task.reject(first?.failure ?? error);
      this.changed(this);
      return;
    }
    this.#state = 'live';
    const again: Task[] = [];
    for (const task of taken) {
      if (first?.failure !== undefined && task.effect?.commit) task.reject(first.failure);
      else if (first?.failure !== undefined && task.effect?.removal) task.reject(first.failure);
      else if (task === first && isDuplicate(task.outcome)) task.reject(new Duplicate(task.outcome.first));
      else if (task.attempts >= ATTEMPTS_MAX) task.reject(tooBusy(this.id));
      else again.push(task);
    }
    for (const task of [...again, ...this.#waiting.splice(0)]) this.#start(task);
    this.changed(this);
  }

  /** Undoes the document, newest first; where that is not possible, it is forgotten and read again. */
  #takeBack(tasks: readonly Task[]): void {
    const effects = tasks.flatMap((task) => (task.effect?.delta || task.effect?.removal ? [task.effect] : []));
    const undoable = this.durable && effects.every((effect) => effect.delta && !effect.commit?.snapshot);
    if (!undoable) this.#document.clear();
    else for (const { delta } of effects.reverse()) this.#document.undo((delta as DeltaView).payload);
    this.tip = this.durable;
  }

  /** Brings the durable state up to the store's, by the missing deltas where that is possible. Nothing is in flight. */
  async #catchUp(): Promise<void> {
    const known = this.durable;
    if (known && this.#document.known) {
      const head = await this.store.head(this.id);
      if (head && (await this.#foldMissing(known, head))) return;
    }
    const stored = await this.store.load(this.id);
    if (stored) this.#document.load(stored);
    else this.#document.clear();
    this.#view = undefined;
    this.tip = this.durable = stored?.head ?? null;
    this.history.load(stored?.records ?? []);
    const moved = known && stored ? !samePosition(known.position, stored.head.position) : !known !== !stored;
    if (moved && this.#loadedBefore) this.publish({ kind: 'reset', id: this.id });
    this.#loadedBefore = true;
  }

  /** Whether the deltas up to `head` could be had, follow from what is known by their digests, and were applied. */
  async #foldMissing(known: Head, head: Head): Promise<boolean> {
    let at = known.position;
    if (head.position.epoch !== at.epoch) return false;
    while (at.version < head.position.version) {
      const missing = await this.store.deltas(this.id, at.version, head.position.version - at.version);
      if (missing.kind === 'truncated' || missing.records.length === 0) return false;
      for (const record of missing.records) {
        if (!samePosition(advance(at, record), record.position)) return false;
        this.#fold({ id: this.id, from: at, to: record.position, payload: record, at: record.at });
        at = record.position;
      }
    }
    if (!samePosition(at, head.position)) return false;
    this.tip = this.durable = head;
    this.#view = undefined;
    return true;
  }

  /** Applies another server's delta to a lane with nothing in flight. */
  #fold(delta: DeltaView): void {
    const before = this.durable as Head;
    const changes = decodeChanges(delta.payload.changes, delta.payload.olds);
    const weight = before.weight + weightChange(changes);
    this.#document.fold(changes, delta.payload);
    this.#view = undefined;
    this.tip = this.durable = { ...before, position: delta.to, updatedAt: delta.at, weight };
    const sized = { ...delta, large: isLarge(delta.payload, weight) };
    this.history.push(sized);
    this.publish({ kind: 'delta', id: this.id, delta: sized });
  }

  async #checkHead(): Promise<void> {
    // A load that begins now reads the newest state anyway.
    if (this.#state === 'cold') return this.ready();
    await this.ready();
    const head = await this.store.head(this.id);
    const { tip } = this;
    if (!head && !tip) return;
    const ours = head && tip && head.position.epoch === tip.position.epoch;
    const underway = ours && this.#inFlight.length > 0 && head.position.version <= tip.position.version;
    // What is in flight here ends durable, or finds out by a conflict and reads.
    await this.submit((lane) => ({ head: lane.tip, answer: undefined }));
    if (underway || (ours && samePosition(head.position, tip.position))) return;
    if (this.live && this.#inFlight.length === 0) void this.#recover();
    await this.ready();
  }
}

function isDuplicate(outcome: Task['outcome']): outcome is { kind: 'duplicate'; first: Request } {
  return typeof outcome === 'object' && outcome.kind === 'duplicate';
}

function tooBusy(id: string): ChordError {
  return new ChordError('UNAVAILABLE', `other servers changed the context ${ATTEMPTS_MAX} times meanwhile; try again`, {
    contextId: id,
    retryAfter: 100,
  });
}

/**
 * A watcher: one reader that is kept up to date on many contexts.
 *
 * It holds no events. For each context it remembers where the reader stands and whether something happened
 * since (the dirty mark), so a reader that stops reading costs the same however much is written. Two ways
 * lead to the reader:
 *  - the short one: a delta that starts exactly where the reader stands goes out as it comes, if the reader
 *    has room and nothing else is due; it is the same object for all watchers, and so is its encoding;
 *  - the long one: everything else marks the context, and when its turn comes the sync decision says what the
 *    reader lacks *then*: one merged delta, the document, or nothing.
 * Per context the reader's positions therefore form a chain, whatever is skipped, lost or repeated on the way.
 *
 * Contexts that were written to as one are batched until the reader has heard of it: when the turn of one comes, all go
 * out in one go, as of a moment at which no group was half done. A batch that has grown too large for that is none.
 *
 * A context that is gone, and of which the reader was sent nothing, is forgotten at once: what a reader that stalls
 * costs is bound by what it knows and what there is, not by what came and went.
 */
import type { ContextEvent, SyncResult } from '../contexts/events.js';
import type { ContextService } from '../contexts/service.js';
import { ChordError } from '../model/errors.js';
import { type Position, samePosition } from '../model/model.js';
import { BatchDelivery, leave } from './batch-delivery.js';
import { Coverage } from './coverage.js';
import type { Cursor } from './cursor.js';
import { Following } from './following.js';
import { Heartbeats } from './heartbeats.js';
import type { Hub, Subscriber } from './hub.js';
import { fitNow, lack } from './lack.js';
import { PendingQueue, type Slice } from './pending-queue.js';
import type { Sink, Subscription, WatchEvent } from './subscription.js';
import { present } from './survey.js';

/** How often the store is asked again while it is away, in milliseconds. */
const RETRY_EVERY = 1000;
/** So often the mark of having caught up lets others go first. */
const POSTPONED_MAX = 100;

export class Watcher implements Subscriber {
  readonly #following: Following;
  readonly #turns = new PendingQueue();
  readonly #heartbeats: Heartbeats;
  #caughtUp = false;
  #postponed = 0;
  /** A prefix could not be listed after a gap. */
  #unlisted = false;
  #retry: NodeJS.Timeout | undefined;
  #pumping = false;
  #closed = false;
  readonly #coverage: Coverage;
  /** With where the reader stands; until it is open. */
  #subscriptions: readonly Subscription[];
  /** What is read now, to be sent: one context, or several that are batched. */
  #reading: Cursor | 'several' | undefined;
  /** A group that the hub offers concerns the watcher as a whole. */
  readonly owner = this;

  /** `wholeLists`: lists that changed come whole, not as splices. Throws what Coverage throws. */
  constructor(
    private readonly service: ContextService,
    private readonly hub: Hub,
    subscriptions: readonly Subscription[],
    private readonly sink: Sink,
    wholeLists = false,
  ) {
    this.#subscriptions = subscriptions;
    this.#coverage = new Coverage(subscriptions, wholeLists);
    this.#following = new Following(this, this.#coverage, sink);
    this.#heartbeats = new Heartbeats(service, hub);
  }

  /** What it holds: contexts, and entries that wait for their turn. */
  get size(): { readonly contexts: number; readonly waiting: number } {
    return { contexts: this.#following.size, waiting: this.#turns.size };
  }

  /** Registers the interest, then reads the first state: in this order nothing falls between. */
  async open(): Promise<void> {
    await this.#following.ask(this.#subscriptions, this.hub.slices);
    this.#subscriptions = [];
    if (this.#closed) return;
    const known = new Set(this.#following.all());
    const asked = [...this.#coverage.ids.keys()].map((id) => this.#following.track(id));
    for (const cursor of asked) known.delete(cursor);
    await Promise.all([
      ...asked.map((cursor) => this.hub.subscribe(cursor.id, cursor)),
      ...this.#coverage.roots.map((prefix) => this.hub.subscribePrefix(prefix, this)),
    ]);
    if (this.#closed) return;
    for (const cursor of asked) this.#turns.mark(cursor);
    await this.#list(known);
    this.#turns.push('caught_up');
    this.resume();
  }

  close(): void {
    this.#closed = true;
    for (const id of this.#coverage.ids.keys()) this.hub.unsubscribe(id, this.#following.track(id));
    for (const prefix of this.#coverage.roots) this.hub.unsubscribePrefix(prefix, this);
    clearTimeout(this.#retry);
    this.#following.close();
    this.#turns.clear();
  }

  /** Queues a sign of life, unless one is waiting already. */
  heartbeat(): void {
    if (this.#closed) return;
    this.#heartbeats.begin(() => {
      if (this.#closed) return;
      this.#turns.push('heartbeat');
      this.resume();
    });
  }

  /** Under a prefix. */
  offer(event: ContextEvent | { readonly kind: 'gap' }): void {
    if (this.#closed) return;
    if (event.kind === 'gap') return void this.#checkAll();
    const cursor = this.#following.concerned(event);
    if (cursor) this.offerTo(cursor, event);
  }

  offerBatch(events: readonly ContextEvent[]): void {
    if (this.#closed) return;
    const members = events.flatMap((event) => {
      const cursor = this.#following.concerned(event);
      return cursor ? { cursor, event } : [];
    });
    const [first, ...others] = members;
    if (!first) return;
    if (others.length === 0) return void this.offerTo(first.cursor, first.event);
    for (const { cursor, event } of members) cursor.note(event);
    // With those that are forgotten: what they were batched with belongs together still.
    BatchDelivery.join(members.map(({ cursor }) => cursor));
    for (const { cursor, event } of members) if (!this.#forgets(cursor, event)) this.#turns.mark(cursor);
    this.resume();
  }

  /** Whether it is gone, without a trace: nothing of it was sent, and nothing is on its way. */
  #forgets(cursor: Cursor, event: ContextEvent): boolean {
    if (event.kind !== 'removed' || cursor.at || cursor.asked) return false;
    if (this.#reading === cursor || (this.#reading === 'several' && cursor.batch)) return false;
    leave(cursor);
    this.#heartbeats.paid(cursor);
    this.#turns.drop(cursor);
    this.#following.drop(cursor);
    this.#following.tell();
    return true;
  }

  /** Of one context, or a gap, in which something may have happened to it. */
  offerTo(cursor: Cursor, event: ContextEvent | { readonly kind: 'gap' }): void {
    if (this.#closed) return;
    if (event.kind === 'delta' && cursor.at && !cursor.dirty) {
      const { delta } = event;
      // Heard twice, by id and by prefix. A lower version need not be old: the reader may only claim to be ahead.
      if (delta.to === cursor.at || samePosition(delta.to, cursor.at)) return void cursor.note(event);
      const next = delta.from === cursor.at || samePosition(delta.from, cursor.at);
      if (next && !delta.large && !this.#pumping && this.#turns.empty && this.sink.ready()) {
        const { interest } = cursor;
        // The commit's own event, where everything is of interest: a fan-out makes no object for each reader.
        const sent = interest ? fitNow(this.service, delta, interest) : event;
        if (sent) {
          cursor.arrive(delta.to);
          this.#sendNow(sent);
          return;
        }
      }
    }
    if (event.kind !== 'gap') {
      if (this.#forgets(cursor, event)) return;
      cursor.note(event);
    }
    if (cursor.dirty) return;
    this.#turns.mark(cursor);
    this.resume();
  }

  /** Events were lost: each followed context may stand anywhere, and there may be more of them. */
  #checkAll(): void {
    const listed = new Set<Cursor>();
    for (const cursor of this.#following.all()) {
      if (this.#coverage.ids.has(cursor.id)) this.#turns.mark(cursor);
      else listed.add(cursor);
    }
    this.resume();
    this.#unlisted = false;
    this.#list(listed).catch((error) => {
      if (!isAway(error)) return this.#fail(error);
      this.#unlisted = true;
      this.#retryLater();
    });
  }

  /** Whoever offers an event must not hear that this reader has failed. */
  #sendNow(event: WatchEvent): void {
    try {
      this.sink.send(event, false);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!this.#closed) this.sink.fail(error);
  }

  /** Sends what is due while the reader has room. */
  resume(): void {
    if (this.#pumping || this.#closed || this.#turns.empty) return;
    this.#pumping = true;
    this.#pump().then(
      () => {
        this.#pumping = false;
        // What came in while the last one was sent.
        if (this.sink.ready()) this.resume();
      },
      (error) => {
        this.#pumping = false;
        this.#fail(error);
      },
    );
  }

  async #pump(): Promise<void> {
    let steps = 1;
    while (!this.#closed && !this.#turns.empty && this.sink.ready()) {
      if (this.hub.slices.spend(steps)) {
        steps = 1;
        await this.hub.slices.next();
        continue;
      }
      const next = this.#turns.take() as Slice;
      if (next === 'heartbeat') {
        const knows = this.#caughtUp && !this.#unlisted;
        if (knows && this.#heartbeats.waits()) this.#turns.push('heartbeat');
        else this.sink.send({ kind: next, at: this.#heartbeats.take(knows) }, false);
        continue;
      }
      if (next === 'caught_up') {
        if (this.#following.lacks() && this.#postponed++ < POSTPONED_MAX) {
          this.#turns.push('caught_up');
          continue;
        }
        this.#caughtUp = true;
        this.sink.send({ kind: next }, false);
        continue;
      }
      if (!next.dirty) continue;
      if (next.batch?.tooLarge) next.batch.dissolve();
      const { batch } = next;
      const due = batch ? [...batch.members] : [next];
      for (const cursor of due) cursor.dirty = false;
      steps = due.length;
      this.#reading = batch ? 'several' : next;
      try {
        if (batch) await this.#sendTogether(due, batch);
        else {
          const lacks = lack(this.service, next);
          const result = lacks instanceof Promise ? await lacks : lacks;
          // It may have become a part of something meanwhile: then it is due again.
          if (!next.batch) this.#send([next], [result]);
          else this.#heartbeats.owe(next);
        }
      } catch (error) {
        if (!this.#caughtUp || !isAway(error)) throw error;
        for (const cursor of due) {
          this.#turns.stall(cursor);
          this.#heartbeats.owe(cursor);
        }
        this.#retryLater();
      } finally {
        this.#reading = undefined;
      }
    }
  }

  async #sendTogether(due: readonly Cursor[], batch: BatchDelivery<Cursor>): Promise<void> {
    const lackOf = (cursor: Cursor, then?: Position | null) => lack(this.service, cursor, then);
    const read = await batch.read(due, lackOf, this.service.heads);
    if (read) this.#send(read.members, read.results);
    else {
      for (const cursor of due) {
        this.#turns.mark(cursor);
        this.#heartbeats.owe(cursor);
      }
    }
  }

  /** The store is away: the reader keeps what it has, and gets what it lacks when the store is back. */
  #retryLater(): void {
    if (this.#closed) return;
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#turns.goOn();
      if (this.#unlisted) this.#checkAll();
      else this.resume();
    }, RETRY_EVERY);
  }

  #send(due: readonly Cursor[], results: readonly SyncResult[]): void {
    if (this.#closed) return;
    const events = due.flatMap((cursor, i) => cursor.take(results[i] as SyncResult) ?? []);
    for (const [i, event] of events.entries()) this.sink.send(event, i < events.length - 1);
    for (const cursor of due) {
      this.#heartbeats.paid(cursor);
      // One that is in the queue again must be found again.
      if (cursor.at === null && !cursor.asked && !cursor.dirty) this.#following.drop(cursor);
    }
    this.#following.tell();
  }

  /**
   * Looks at everything under the prefixes that there is. Only what stands elsewhere than the reader is read; and of
   * `others`, what is not there any more.
   */
  async #list(others: Set<Cursor>): Promise<void> {
    this.#heartbeats.listing++;
    try {
      for await (const heads of present(this.service, this.#coverage.roots, this.hub.slices)) {
        if (this.#closed) return;
        for (const { id, head } of heads) {
          const { cursor, stays } = this.#following.find(id, head, !this.#caughtUp);
          others.delete(cursor);
          if (!stays) this.#turns.mark(cursor);
        }
        this.resume();
      }
      for (const cursor of others) this.#turns.mark(cursor);
    } finally {
      this.#heartbeats.listing--;
    }
    this.resume();
  }
}

function isAway(error: unknown): boolean {
  return error instanceof ChordError && error.reason === 'UNAVAILABLE';
}

export type { Sink, Subscription, WatchEvent } from './subscription.js';

/**
 * A watcher keeps one reader up to date on many contexts.
 *
 * It holds no events. For each context a cursor holds the reader's position and a dirty mark, which says that the context
 * has changed since. So a reader that stops reading costs the same however much is written. Events reach the reader on
 * two paths:
 *  - the short path: a delta that starts exactly at the reader's position is sent at once, if the reader has room and
 *    nothing else is due; the delta is one object for all watchers, and so is its encoding;
 *  - the long path: any other event marks the context as dirty, and when its turn comes the sync decision finds what the
 *    reader lacks *then*: one merged delta, the document, or nothing.
 * Per context the reader's positions therefore form a chain, whatever is skipped, lost or repeated on the way.
 *
 * Contexts that were written in one batch are joined until the reader is up to date: when the turn of one comes, all are
 * sent together, as of a moment at which no batch was half done. A batch delivery that grows too large is dissolved.
 *
 * A removed context of which the reader was sent nothing is forgotten at once: the cost of a stalled reader is bounded
 * by the contexts that it has and those that exist, and not by those that came and went.
 */
import type { ContextEvent, SyncResult } from '../contexts/events.js';
import type { ContextService } from '../contexts/service.js';
import type { DeltaForm } from '../contexts/sync/formats.js';
import { isUnavailable } from '../model/errors.js';
import { type Position, samePosition } from '../model/model.js';
import { BatchDelivery, leave } from './batch-delivery.js';
import { Coverage, type PartsOf } from './coverage.js';
import type { Cursor } from './cursor.js';
import { Following } from './following.js';
import { Heartbeats } from './heartbeats.js';
import type { Hub, Subscriber } from './hub.js';
import { fitNow, lack } from './lack.js';
import { PendingQueue, type Slice } from './pending-queue.js';
import type { Sink, Subscription, WatchEvent } from './subscription.js';
import { present } from './survey.js';

/** How often the store is tried while it is unreachable, in milliseconds. */
const RETRY_EVERY = 1000;
/** How often the caught-up mark may be postponed behind other entries. */
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
  /** The subscriptions with the reader's positions; cleared after the open. */
  #subscriptions: readonly Subscription[];
  /** What is being read in order to be sent: one context, or several of a batch delivery. */
  #reading: Cursor | 'several' | undefined;
  /** The hub passes a batch to the watcher as a whole. */
  readonly owner = this;
  seen = 0;

  /** `form`: that of the deltas. `partsOf`: what the reader may read. Throws as Coverage does. */
  constructor(
    private readonly service: ContextService,
    private readonly hub: Hub,
    subscriptions: readonly Subscription[],
    private readonly sink: Sink,
    form?: DeltaForm,
    partsOf?: PartsOf,
  ) {
    this.#subscriptions = subscriptions;
    this.#coverage = new Coverage(subscriptions, form, partsOf);
    this.#following = new Following(this, this.#coverage, sink);
    this.#heartbeats = new Heartbeats(service, hub);
  }

  /** The number of followed contexts, and of waiting entries. */
  get size(): { readonly contexts: number; readonly waiting: number } {
    return { contexts: this.#following.size, waiting: this.#turns.size };
  }

  /** Subscribes first, then reads the initial state: in this order no commit is missed. */
  async open(): Promise<void> {
    await this.#following.ask(this.#subscriptions, this.hub.slices);
    this.#subscriptions = [];
    if (this.#closed) return;
    this.seen = this.hub.published;
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

  /** Queues a heartbeat, unless one is waiting already. */
  heartbeat(): void {
    if (this.#closed) return;
    this.#heartbeats.begin(
      () => this.#knows,
      () => {
        if (this.#closed) return;
        this.#catchUp();
        this.#turns.push('heartbeat');
        this.resume();
      },
    );
  }

  /** Whether everything that existed when it was last listed has been queued. */
  get #knows(): boolean {
    return this.#caughtUp && !this.#unlisted;
  }

  /** Takes in the events of fan-outs that have not come to this watcher yet. */
  #catchUp(): void {
    const missed = this.hub.missed(this.seen);
    if (!missed) return;
    this.seen = this.hub.published;
    for (const event of missed) {
      if (event.kind === 'batch') this.offerBatch(event.events.filter(({ id }) => this.#coverage.covers(id)));
      else if (this.#coverage.ids.has(event.id)) this.offerTo(this.#following.track(event.id), event);
      else if (this.#coverage.covers(event.id)) this.offer(event);
    }
  }

  /** What the reader lacks of a context. Events of commits that the answer includes have been offered before. */
  #lack(cursor: Cursor, then?: Position | null): SyncResult | Promise<SyncResult> {
    const lacks = lack(this.service, cursor, then);
    if (!(lacks instanceof Promise)) return lacks;
    return lacks.then((result) => {
      this.#catchUp();
      return result;
    });
  }

  /** Receives an event of a prefix. */
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
    // Includes contexts that are forgotten below: the others of their deliveries still belong together.
    BatchDelivery.join(members.map(({ cursor }) => cursor));
    for (const { cursor, event } of members) if (!this.#forgets(cursor, event)) this.#turns.mark(cursor);
    this.resume();
  }

  /** Whether the context is removed and can be forgotten: nothing of it was sent, and no read is in progress. */
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

  /** Receives an event of one context, or a gap, after which the context may have changed. */
  offerTo(cursor: Cursor, event: ContextEvent | { readonly kind: 'gap' }): void {
    if (this.#closed) return;
    if (event.kind === 'delta' && cursor.at && !cursor.dirty) {
      const { delta } = event;
      // The same event came by id and by prefix. A lower version need not be old: the reader may only claim to be ahead.
      if (delta.to === cursor.at || samePosition(delta.to, cursor.at)) return void cursor.note(event);
      const next = delta.from === cursor.at || samePosition(delta.from, cursor.at);
      if (next && !delta.large && !this.#pumping && this.#turns.empty && this.sink.ready()) {
        const { interest } = cursor;
        // Where the whole document is requested, the commit's own event is sent: a fan-out creates no object per reader.
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

  /** Events were lost: each followed context may have changed, and contexts may have been created. */
  #checkAll(): void {
    const listed = new Set<Cursor>();
    for (const cursor of this.#following.all()) {
      if (this.#coverage.ids.has(cursor.id)) this.#turns.mark(cursor);
      else listed.add(cursor);
    }
    this.resume();
    this.#unlisted = false;
    this.#list(listed).catch((error) => {
      if (!isUnavailable(error)) return this.#fail(error);
      this.#unlisted = true;
      this.#retryLater();
    });
  }

  /** Sends an event. An error of the reader must not reach the caller, which publishes the event. */
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

  /** Sends due events while the reader has room. */
  resume(): void {
    if (this.#pumping || this.#closed || this.#turns.empty) return;
    this.#pumping = true;
    this.#pump().then(
      () => {
        this.#pumping = false;
        // Events that arrived during the last send.
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
      this.#catchUp();
      const next = this.#turns.take() as Slice;
      if (next === 'heartbeat') {
        const knows = this.#knows;
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
          const lacks = this.#lack(next);
          const result = lacks instanceof Promise ? await lacks : lacks;
          // The context may have joined a batch meanwhile: then it is due again.
          if (!next.batch) this.#send([next], [result]);
          else this.#heartbeats.owe(next);
        }
      } catch (error) {
        if (!this.#caughtUp || !isUnavailable(error)) throw error;
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
    const lackOf = (cursor: Cursor, then?: Position | null) => this.#lack(cursor, then);
    const read = await batch.read(due, lackOf, this.service.heads);
    if (read) this.#send(read.members, read.results);
    else {
      for (const cursor of due) {
        this.#turns.mark(cursor);
        this.#heartbeats.owe(cursor);
      }
    }
  }

  /** The store is unreachable: the reader keeps its state, and gets what it lacks when the store is reachable again. */
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
   * Lists all contexts under the prefixes. Reads only contexts whose position differs from the reader's; and of `others`,
   * those that no longer exist.
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
      // One that was dropped meanwhile has no place any more: the context may be followed by another cursor.
      for (const cursor of others) if (this.#following.has(cursor)) this.#turns.mark(cursor);
    } finally {
      this.#heartbeats.listing--;
    }
    this.resume();
  }
}

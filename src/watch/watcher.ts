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
 */
import type { CommitEvent, DeltaView, RemovalReason, SyncResult } from '../contexts/events.js';
import { fit, fitDelta, type Interest } from '../contexts/forms.js';
import type { ContextService } from '../contexts/service.js';
import { ChordError } from '../errors.js';
import { type Position, samePosition } from '../model.js';
import type { Hub, Subscriber } from './hub.js';
import { interests, type Sink, type Subscription, type WatchEvent } from './reader.js';

/** What is remembered of one context. It subscribes itself where its id was asked for: so no event looks it up. */
class Tracked implements Subscriber {
  /** Where the reader stands. Null: it knows that there is no such context. Undefined: it knows nothing. */
  at: Position | null | undefined = undefined;
  /** In the queue. */
  dirty = false;
  /** Something about it was sent or confirmed on this watch. */
  confirmed = false;
  /** The reader wants to hear if it is absent. */
  asked = false;
  removal: RemovalReason = 'deleted';

  constructor(
    readonly id: string,
    private readonly watcher: Watcher,
    /** Absent: everything, as it is. */
    readonly interest: Interest | undefined,
  ) {}

  offer(event: CommitEvent): void {
    this.watcher.offerTo(this, event);
  }
}

const LIST_PAGE = 1000;
/** How often the store is asked again while it is away, in milliseconds. */
const RETRY_EVERY = 1000;

export class Watcher implements Subscriber {
  readonly #tracked = new Map<string, Tracked>();
  /** Contexts and marks whose turn comes, first in, first out. Never longer than the contexts and two marks. */
  #queue: (Tracked | 'caught_up' | 'heartbeat')[] = [];
  #queueStart = 0;
  #heartbeatDue = false;
  #caughtUp = false;
  /** Contexts whose turn came while the store was away; they are dirty still. */
  readonly #stalled: Tracked[] = [];
  /** A prefix could not be listed after a gap. */
  #unlisted = false;
  #retry: NodeJS.Timeout | undefined;
  #pumping = false;
  #closed = false;
  readonly #interestIn: (id: string) => Interest | undefined;

  /** @param wholeLists the reader wants lists that changed whole, not as splices */
  constructor(
    private readonly service: ContextService,
    private readonly hub: Hub,
    private readonly subscriptions: readonly Subscription[],
    private readonly sink: Sink,
    wholeLists = false,
  ) {
    this.#interestIn = interests(subscriptions, wholeLists);
  }

  /** Registers the interest, then reads the first state: in this order nothing falls between. */
  async open(): Promise<void> {
    const asked: Tracked[] = [];
    for (const { target, known } of this.subscriptions) {
      const ids = target.kind === 'id' ? [target.id] : [...known.keys()].filter((id) => id.startsWith(target.prefix));
      for (const id of ids) {
        const tracked = this.#track(id);
        tracked.asked = true;
        tracked.at ??= known.get(id);
        asked.push(tracked);
      }
    }
    await Promise.all(
      this.subscriptions.map(({ target }) =>
        target.kind === 'id'
          ? this.hub.subscribe(target.id, this.#track(target.id))
          : this.hub.subscribePrefix(target.prefix, this),
      ),
    );
    for (const tracked of asked) this.#mark(tracked);
    for (const { target } of this.subscriptions) {
      if (this.#closed) return;
      if (target.kind === 'prefix') await this.#trackAll(target.prefix);
    }
    if (this.#closed) return;
    this.#queue.push('caught_up');
    this.resume();
  }

  close(): void {
    this.#closed = true;
    for (const { target } of this.subscriptions) {
      if (target.kind === 'id') this.hub.unsubscribe(target.id, this.#track(target.id));
      else this.hub.unsubscribePrefix(target.prefix, this);
    }
    clearTimeout(this.#retry);
    this.#tracked.clear();
    this.#queue = [];
  }

  /** Queues a sign of life, unless one is waiting already. */
  heartbeat(): void {
    if (this.#heartbeatDue || this.#closed) return;
    this.#heartbeatDue = true;
    this.#queue.push('heartbeat');
    this.resume();
  }

  /** Under a prefix. */
  offer(event: CommitEvent): void {
    if (this.#closed) return;
    if (event.kind === 'gap') this.#checkAll();
    else this.offerTo(this.#track(event.id), event);
  }

  /** Of one context, or a gap, in which something may have happened to it. */
  offerTo(tracked: Tracked, event: CommitEvent): void {
    if (this.#closed) return;
    if (event.kind === 'removed') tracked.removal = event.reason;
    if (tracked.dirty) return;
    if (event.kind === 'delta' && tracked.at) {
      const { delta } = event;
      // Heard twice, by id and by prefix. A lower version need not be old: the reader may only claim to be ahead.
      if (delta.to === tracked.at || samePosition(delta.to, tracked.at)) return;
      const next = delta.from === tracked.at || samePosition(delta.from, tracked.at);
      if (next && !delta.large && !this.#pumping && this.#queueStart === this.#queue.length && this.sink.ready()) {
        const { interest } = tracked;
        // The commit's own event, where everything is of interest: a fan-out makes no object for each reader.
        const sent = interest ? this.#fitNow(delta, interest) : event;
        if (sent) {
          tracked.at = delta.to;
          tracked.confirmed = true;
          this.#sendNow(sent);
          return;
        }
      }
    }
    this.#mark(tracked);
    this.resume();
  }

  /** Events were lost: what is tracked may stand anywhere, and there may be more of it. */
  #checkAll(): void {
    for (const tracked of this.#tracked.values()) this.#mark(tracked);
    this.resume();
    this.#unlisted = false;
    for (const { target } of this.subscriptions) {
      if (target.kind !== 'prefix') continue;
      this.#trackAll(target.prefix).catch((error) => {
        if (!isAway(error)) return this.#fail(error);
        this.#unlisted = true;
        this.#retryLater();
      });
    }
  }

  /** Undefined: not at once, or not at all; the long way finds out. */
  #fitNow(delta: DeltaView, interest: Interest): WatchEvent | undefined {
    try {
      const sent = fitDelta(delta, interest, this.service.lists);
      return sent instanceof Promise ? undefined : { kind: 'delta', delta: sent };
    } catch {
      return undefined;
    }
  }

  /** Whoever offers an event must not hear that this reader has failed. */
  #sendNow(event: WatchEvent): void {
    try {
      this.sink.send(event);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (!this.#closed) this.sink.fail(error);
  }

  /** Sends what is due while the reader has room. */
  resume(): void {
    if (this.#pumping || this.#closed || this.#queueStart === this.#queue.length) return;
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
    while (!this.#closed && this.#queueStart < this.#queue.length && this.sink.ready()) {
      const next = this.#take();
      if (next === 'heartbeat') this.#heartbeatDue = false;
      if (next === 'caught_up') this.#caughtUp = true;
      if (next === 'caught_up' || next === 'heartbeat') {
        this.sink.send({ kind: next });
        continue;
      }
      next.dirty = false;
      try {
        const { id, at, interest } = next;
        const answer = this.service.sync(id, at ?? undefined);
        const result = answer instanceof Promise ? await answer : answer;
        const sent = interest ? fit(result, interest, this.service.lists) : result;
        this.#send(next, sent instanceof Promise ? await sent : sent);
      } catch (error) {
        if (!this.#caughtUp || !isAway(error)) throw error;
        next.dirty = true;
        this.#stalled.push(next);
        this.#retryLater();
      }
    }
  }

  /** The store is away: the reader keeps what it has, and gets what it lacks when the store is back. */
  #retryLater(): void {
    if (this.#closed) return;
    this.#retry ??= setTimeout(() => {
      this.#retry = undefined;
      this.#queue.push(...this.#stalled.splice(0));
      if (this.#unlisted) this.#checkAll();
      else this.resume();
    }, RETRY_EVERY);
  }

  #send(tracked: Tracked, result: SyncResult): void {
    if (this.#closed) return;
    const { at: before, confirmed } = tracked;
    tracked.confirmed = true;
    switch (result.kind) {
      case 'no_change':
        // The reader may have named only a version: from here on it has the whole position.
        tracked.at = result.position;
        break;
      case 'delta':
        tracked.at = result.delta.to;
        this.sink.send({ kind: 'delta', delta: result.delta });
        break;
      case 'full':
        tracked.at = result.view.head.position;
        this.sink.send({ kind: 'full', view: result.view, reason: result.reason });
        break;
      case 'missing': {
        tracked.at = null;
        // One that is in the queue again must be found again.
        if (!tracked.asked && !tracked.dirty) this.#tracked.delete(tracked.id);
        const { id } = tracked;
        const reason = result.removal ?? tracked.removal;
        if (before && confirmed) this.sink.send({ kind: 'deleted', id, position: before, reason });
        else if (before !== null && tracked.asked) this.sink.send({ kind: 'absent', id });
      }
    }
  }

  async #trackAll(prefix: string): Promise<void> {
    let pageToken = '';
    do {
      const page = await this.service.list(prefix, { pageSize: LIST_PAGE, pageToken });
      if (this.#closed) return;
      for (const { id } of page.heads) this.#mark(this.#track(id));
      pageToken = page.nextPageToken;
      this.resume();
    } while (pageToken !== '');
  }

  #track(id: string): Tracked {
    let tracked = this.#tracked.get(id);
    if (!tracked) {
      tracked = new Tracked(id, this, this.#interestIn(id));
      this.#tracked.set(id, tracked);
    }
    return tracked;
  }

  #mark(tracked: Tracked): void {
    if (tracked.dirty) return;
    tracked.dirty = true;
    this.#queue.push(tracked);
  }

  #take(): Tracked | 'caught_up' | 'heartbeat' {
    const next = this.#queue[this.#queueStart++] as Tracked | 'caught_up' | 'heartbeat';
    if (this.#queueStart === this.#queue.length || this.#queueStart > 1000) {
      this.#queue.splice(0, this.#queueStart);
      this.#queueStart = 0;
    }
    return next;
  }
}

function isAway(error: unknown): boolean {
  return error instanceof ChordError && error.reason === 'UNAVAILABLE';
}

export type { Sink, Subscription, WatchEvent } from './reader.js';

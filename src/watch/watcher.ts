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
 * Contexts that were written to as one are bundled until the reader has heard of it: when the turn of one comes, all go
 * out in one go, as of a moment at which no group was half done. A bundle that has grown too large for that is none.
 */
import type { ContextEvent, DeltaView, SyncResult } from '../contexts/events.js';
import { fit, fitDelta, type Interest } from '../contexts/forms.js';
import type { ContextService } from '../contexts/service.js';
import { ChordError } from '../errors.js';
import { type Position, samePosition } from '../model.js';
import { Bundle } from './bundle.js';
import type { Hub, Subscriber } from './hub.js';
import { interests, type Sink, type Subscription, type WatchEvent } from './reader.js';
import { Tracked } from './tracked.js';
import { type Turn, Turns } from './turns.js';

const LIST_PAGE = 1000;
/** How often the store is asked again while it is away, in milliseconds. */
const RETRY_EVERY = 1000;
/** So often the mark of having caught up lets others go first. */
const POSTPONED_MAX = 100;

export class Watcher implements Subscriber {
  readonly #tracked = new Map<string, Tracked>();
  readonly #turns = new Turns();
  #heartbeatDue = false;
  #caughtUp = false;
  #postponed = 0;
  /** A prefix could not be listed after a gap. */
  #unlisted = false;
  #retry: NodeJS.Timeout | undefined;
  #pumping = false;
  #closed = false;
  readonly #interestIn: (id: string) => Interest | undefined;
  /** A group that the hub offers concerns the watcher as a whole. */
  readonly reader = this;

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
        tracked.asked = tracked.initial = true;
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
    for (const tracked of asked) this.#turns.mark(tracked);
    for (const { target } of this.subscriptions) {
      if (this.#closed) return;
      if (target.kind === 'prefix') await this.#trackAll(target.prefix);
    }
    if (this.#closed) return;
    this.#turns.push('caught_up');
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
    this.#turns.clear();
  }

  /** Queues a sign of life, unless one is waiting already. */
  heartbeat(): void {
    if (this.#heartbeatDue || this.#closed) return;
    this.#heartbeatDue = true;
    this.#turns.push('heartbeat');
    this.resume();
  }

  /** Under a prefix. */
  offer(event: ContextEvent | { readonly kind: 'gap' }): void {
    if (this.#closed) return;
    if (event.kind === 'gap') this.#checkAll();
    else this.offerTo(this.#track(event.id), event);
  }

  offerGroup(events: readonly ContextEvent[]): void {
    if (this.#closed) return;
    const members = events.map((event) => {
      const tracked = this.#track(event.id);
      if (events.length > 1) tracked.note(event);
      return tracked;
    });
    if (members.length === 1) this.offerTo(members[0] as Tracked, events[0] as ContextEvent);
    else {
      Bundle.join(members);
      for (const tracked of members) this.#turns.mark(tracked);
      this.resume();
    }
  }

  /** Of one context, or a gap, in which something may have happened to it. */
  offerTo(tracked: Tracked, event: ContextEvent | { readonly kind: 'gap' }): void {
    if (this.#closed) return;
    if (event.kind === 'delta' && tracked.at && !tracked.dirty) {
      const { delta } = event;
      // Heard twice, by id and by prefix. A lower version need not be old: the reader may only claim to be ahead.
      if (delta.to === tracked.at || samePosition(delta.to, tracked.at)) return void tracked.note(event);
      const next = delta.from === tracked.at || samePosition(delta.from, tracked.at);
      if (next && !delta.large && !this.#pumping && this.#turns.empty && this.sink.ready()) {
        const { interest } = tracked;
        // The commit's own event, where everything is of interest: a fan-out makes no object for each reader.
        const sent = interest ? this.#fitNow(delta, interest) : event;
        if (sent) {
          tracked.arrive(delta.to);
          this.#sendNow(sent);
          return;
        }
      }
    }
    if (event.kind !== 'gap') tracked.note(event);
    if (tracked.dirty) return;
    this.#turns.mark(tracked);
    this.resume();
  }

  /** Events were lost: what is tracked may stand anywhere, and there may be more of it. */
  #checkAll(): void {
    for (const tracked of this.#tracked.values()) this.#turns.mark(tracked);
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
    while (!this.#closed && !this.#turns.empty && this.sink.ready()) {
      const next = this.#turns.take() as Turn;
      if (next === 'heartbeat') this.#heartbeatDue = false;
      if (next === 'caught_up') {
        if (this.#postpones()) continue;
        this.#caughtUp = true;
      }
      if (next === 'caught_up' || next === 'heartbeat') {
        this.sink.send({ kind: next }, false);
        continue;
      }
      if (!next.dirty) continue;
      if (next.bundle?.tooLarge) next.bundle.dissolve();
      const { bundle } = next;
      const due = bundle ? [...bundle.members] : [next];
      for (const tracked of due) tracked.dirty = false;
      try {
        if (bundle) await this.#sendTogether(due, bundle);
        else {
          const lack = this.#lack(next);
          const result = lack instanceof Promise ? await lack : lack;
          // It may have become a part of something meanwhile: then it is due again.
          if (!next.bundle) this.#send([next], [result]);
        }
      } catch (error) {
        if (!this.#caughtUp || !isAway(error)) throw error;
        for (const tracked of due) this.#turns.stall(tracked);
        this.#retryLater();
      }
    }
  }

  /** Whether something that existed at the open is still to come, since it was written to as it was read. */
  #postpones(): boolean {
    const lacking = [...this.#tracked.values()].some(({ initial, confirmed }) => initial && !confirmed);
    if (!lacking || this.#postponed++ === POSTPONED_MAX) return false;
    this.#turns.push('caught_up');
    return true;
  }

  /** What the reader lacks of a context now, or as it stood `then`. */
  #lack({ id, at, interest }: Tracked, then?: Position | null): SyncResult | Promise<SyncResult> {
    const known = at ?? undefined;
    const answer = then === undefined ? this.service.sync(id, known) : this.service.syncAt(id, known, then);
    if (!interest) return answer;
    if (answer instanceof Promise) return answer.then((result) => fit(result, interest, this.service.lists));
    return fit(answer, interest, this.service.lists);
  }

  async #sendTogether(due: readonly Tracked[], bundle: Bundle): Promise<void> {
    const lack = (tracked: Tracked, then?: Position | null) => this.#lack(tracked, then);
    const read = await bundle.read(due, lack, this.service.heads);
    if (read) this.#send(read.members, read.results);
    else for (const tracked of due) this.#turns.mark(tracked);
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

  #send(due: readonly Tracked[], results: readonly SyncResult[]): void {
    if (this.#closed) return;
    const events = due.flatMap((tracked, i) => tracked.take(results[i] as SyncResult) ?? []);
    for (const [i, event] of events.entries()) this.sink.send(event, i < events.length - 1);
    for (const tracked of due) {
      // One that is in the queue again must be found again.
      if (tracked.at === null && !tracked.asked && !tracked.dirty) this.#tracked.delete(tracked.id);
    }
    this.sink.follows?.(this.#tracked.size);
  }

  async #trackAll(prefix: string): Promise<void> {
    let pageToken = '';
    do {
      const page = await this.service.list(prefix, { pageSize: LIST_PAGE, pageToken });
      if (this.#closed) return;
      for (const { id } of page.heads) {
        const tracked = this.#track(id);
        tracked.initial ||= !this.#caughtUp;
        this.#turns.mark(tracked);
      }
      pageToken = page.nextPageToken;
      this.resume();
    } while (pageToken !== '');
  }

  #track(id: string): Tracked {
    let tracked = this.#tracked.get(id);
    if (!tracked) {
      tracked = new Tracked(id, this, this.#interestIn(id));
      this.#tracked.set(id, tracked);
      this.sink.follows?.(this.#tracked.size);
    }
    return tracked;
  }
}

function isAway(error: unknown): boolean {
  return error instanceof ChordError && error.reason === 'UNAVAILABLE';
}

export type { Sink, Subscription, WatchEvent } from './reader.js';

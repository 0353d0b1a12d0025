/**
 * A waiter answers once, when the document of one context meets checks. It subscribes as a watcher does, and follows the
 * parts of the document that the checks name, version by version:
 *  - a delta that starts at its position moves it on; where the delta does not touch these parts, nothing is decoded;
 *  - after any other event it looks at the context again, and at the versions in between where they are retained.
 */
import type { CommitEvent, ContextEvent, DeltaView } from '../contexts/events.js';
import type { ContextService } from '../contexts/service.js';
import { Awaited } from '../contexts/sync/holding.js';
import type { DocumentCheck } from '../model/conditions.js';
import { type JsonObject, type Position, samePosition } from '../model/model.js';
import type { Hub, Subscriber } from './hub.js';

export interface WaitedFor {
  readonly id: string;
  /** Versions after this position count too. */
  readonly known?: Position | undefined;
  readonly checks: readonly DocumentCheck[];
}

/** The end of a wait. */
export interface WaitEnd {
  /** The checks were met at this position. False: go on waiting. */
  met(at: Position): Promise<boolean>;
  fail(error: unknown): void;
}

export class Waiter implements Subscriber {
  readonly owner = this;
  /** As `BatchSubscriber.seen`: what was published before is part of the first look. */
  seen = 0;
  readonly #awaited: Awaited;
  /** The position of `#document`. Undefined: nothing is known of the context, or it does not exist. */
  #at: Position | undefined;
  /** The parts that the checks name. */
  #document: JsonObject = {};
  /** Work is in progress, and what came meanwhile. */
  #busy = false;
  #dirty = false;
  #closed = false;

  constructor(
    private readonly service: ContextService,
    private readonly hub: Hub,
    private readonly asked: WaitedFor,
    private readonly end: WaitEnd,
  ) {
    this.#awaited = new Awaited(asked.checks);
  }

  /** Subscribes first, then looks: no version is missed. */
  async open(): Promise<void> {
    this.seen = this.hub.published;
    await this.hub.subscribe(this.asked.id, this);
    if (!this.#closed) this.#look();
  }

  close(): void {
    this.#closed = true;
    this.hub.unsubscribe(this.asked.id, this);
  }

  offer(event: Exclude<CommitEvent, { kind: 'batch' }>): void {
    if (this.#closed) return;
    if (event.kind === 'delta' && this.#at && !this.#busy) {
      const { from, to, payload } = event.delta;
      // A look may be ahead of the events.
      if (to.epoch === this.#at.epoch && to.version <= this.#at.version) return;
      if (samePosition(from, this.#at)) {
        if (this.#awaited.concerns(payload)) this.#run(() => this.#follow(event.delta));
        else this.#at = to;
        return;
      }
    }
    this.#look();
  }

  offerBatch(events: readonly ContextEvent[]): void {
    for (const event of events) if (event.id === this.asked.id) this.offer(event);
  }

  #look(): void {
    if (this.#busy) this.#dirty = true;
    else this.#run(() => this.#lookOnce());
  }

  /** Runs one step, and looks again where something came meanwhile. */
  #run(step: () => Promise<void>): void {
    this.#busy = true;
    this.#dirty = false;
    step().then(
      () => {
        this.#busy = false;
        if (this.#dirty && !this.#closed) this.#look();
      },
      (error) => {
        if (!this.#closed) this.end.fail(error);
      },
    );
  }

  async #lookOnce(): Promise<void> {
    if (this.hub.slices.spend(1)) await this.hub.slices.next();
    if (this.#closed) return;
    const { id, known } = this.asked;
    const found = await this.service.look(id, this.#awaited, this.#at ?? known);
    if (this.#closed) return;
    this.#at = found?.position;
    this.#document = found?.document ?? {};
    if (found?.heldAt && !(await this.end.met(found.heldAt))) this.#dirty = true;
  }

  async #follow({ to, payload }: DeltaView): Promise<void> {
    if (this.hub.slices.spend(1)) await this.hub.slices.next();
    await this.#awaited.advance(this.#document, payload);
    this.#at = to;
    if (!this.#closed && this.#awaited.metBy(this.#document) && !(await this.end.met(to))) this.#dirty = true;
  }
}

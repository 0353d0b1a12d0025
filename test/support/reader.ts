/**
 * A reader in this process, at the end of a Watcher: keeps copies of what it is sent, and believes nothing. It can
 * stall. What is wrong is kept as `error` and thrown to whoever waits, since senders are not to hear of it.
 */
import { isDeepStrictEqual } from 'node:util';
import { decodeChanges } from '../../src/codec/changes.js';
import { decodeStruct } from '../../src/codec/struct.js';
import type { DeltaView, FullReason, View } from '../../src/contexts/events.js';
import type { ContextService } from '../../src/contexts/service.js';
import { apply, invert } from '../../src/delta/index.js';
import { type JsonObject, type Position, samePosition } from '../../src/model/model.js';
import type { Hub } from '../../src/watch/hub.js';
import type { Sink, Subscription, WatchEvent } from '../../src/watch/subscription.js';
import { Watcher } from '../../src/watch/watcher.js';

/** Where a reader stands. A position that it only claims has no value. */
export interface Copy {
  readonly position: Position;
  readonly value: JsonObject | undefined;
}

/** Each `id` or `prefix*`. */
export function subscriptionsTo(targets: readonly string[], known: ReadonlyMap<string, Position> = new Map()) {
  return targets.map((target): Subscription => {
    if (!target.endsWith('*')) return { target: { kind: 'id', id: target }, known };
    return { target: { kind: 'prefix', prefix: target.slice(0, -1) }, known };
  });
}

export class Reader implements Sink {
  readonly copies: Map<string, Copy>;
  /** What came, in few words: `full initial a 3`, `delta a 3-5`, `deleted expired a 5`, `absent a`, `caught_up`. */
  readonly log: string[] = [];
  watcher!: Watcher;
  opened!: Promise<void>;
  error: unknown;
  stalled = false;
  /** How many more events there is room for. */
  room = Number.POSITIVE_INFINITY;
  /** Called whenever what it has may be shown: after each event that no other one belongs to. */
  onSettled: () => void = () => {};
  /** What came together, each in the words of `log`. */
  readonly groups: string[][] = [];
  #group: string[] = [];
  #waiters = new Set<() => void>();

  constructor(
    readonly targets: readonly string[],
    known: ReadonlyMap<string, Copy> = new Map(),
  ) {
    this.copies = new Map(known);
  }

  /** Begins to watch, with the positions of the copies. */
  open(service: ContextService, hub: Hub): this {
    const known = new Map([...this.copies].map(([id, { position }]) => [id, position]));
    this.watcher = new Watcher(service, hub, subscriptionsTo(this.targets, known), this);
    this.opened = this.watcher.open().catch((error) => this.fail(error));
    return this;
  }

  ready(): boolean {
    return !this.stalled && this.room > 0;
  }

  fail(error: unknown): void {
    this.error ??= error;
    this.#wake();
  }

  send(event: WatchEvent, more: boolean): void {
    this.room--;
    try {
      const line = this.#take(event);
      this.log.push(line);
      this.#group.push(line);
      if (!more) {
        if (this.#group.length > 1) this.groups.push(this.#group);
        this.#group = [];
        this.onSettled();
      }
    } catch (error) {
      this.error ??= error;
    }
    this.#wake();
  }

  resume(room = Number.POSITIVE_INFINITY): void {
    this.stalled = false;
    this.room = room;
    this.watcher.resume();
  }

  /** Resolves when everything has been sent that was due at the time of this call. The reader must not stall. */
  async beat(): Promise<void> {
    await this.opened;
    const beats = this.#beats();
    this.watcher.heartbeat();
    await this.until(() => this.#beats() > beats);
  }

  async until(holds: () => boolean): Promise<void> {
    for (;;) {
      if (this.error) throw this.error;
      if (holds()) return;
      await new Promise<void>((resolve) => this.#waiters.add(resolve));
    }
  }

  #beats(): number {
    return this.log.filter((line) => line === 'heartbeat').length;
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = new Set();
    for (const wake of waiters) wake();
  }

  #take(event: WatchEvent): string {
    switch (event.kind) {
      case 'full': {
        const { id, head, value } = event.view;
        const problem = implausible(event.reason, this.copies.get(id)?.position, head.position);
        if (problem) throw new Error(`${id}: ${problem}; ${this.log}`);
        this.copies.set(id, { position: head.position, value: decodeStruct(value.bytes) });
        return `full ${event.reason} ${id} ${head.position.version}`;
      }
      case 'delta': {
        const { id, from, to } = event.delta;
        this.copies.set(id, { position: to, value: follow(this.copies.get(id), event.delta) });
        return `delta ${id} ${from.version}-${to.version}`;
      }
      case 'deleted': {
        const { id, position, reason } = event;
        const copy = this.copies.get(id);
        if (!copy || !agrees(copy.position, position)) {
          throw new Error(`${id} deleted at ${describe(position)} for a reader at ${describe(copy?.position)}`);
        }
        this.copies.delete(id);
        return `deleted ${reason} ${id} ${position.version}`;
      }
      case 'absent':
        this.copies.delete(event.id);
        return `absent ${event.id}`;
      case 'caught_up':
        if (this.log.includes('caught_up')) throw new Error('caught up twice');
        return event.kind;
      default:
        return event.kind;
    }
  }
}

/** The value that a delta leads to. Throws where it does not start exactly at the copy, or cannot be taken back. */
export function follow(copy: Copy | undefined, { id, from, to, payload }: DeltaView): JsonObject {
  if (!copy?.value || !agrees(copy.position, from)) {
    throw new Error(`${id}: a delta ${describe(from)} > ${describe(to)} for a reader at ${describe(copy?.position)}`);
  }
  const changes = decodeChanges(payload.changes, payload.olds);
  const value = apply(decodeChanges(payload.changes), copy.value);
  if (!isDeepStrictEqual(apply(invert(changes), value), copy.value)) throw new Error(`${id}: old values do not invert`);
  return value;
}

/** What is odd about this reason, for a reader that stood at `known`. */
export function implausible(reason: FullReason, known: Position | undefined, head: Position): string | undefined {
  const behind = known !== undefined && ['', head.epoch].includes(known.epoch) && known.version < head.version;
  const plausible: { readonly [K in FullReason]: boolean } = {
    initial: known === undefined || known.version === 0,
    epoch_changed: known !== undefined && known.epoch !== '' && known.epoch !== head.epoch,
    ahead: known !== undefined && ['', head.epoch].includes(known.epoch) && known.version > head.version,
    diverged: known !== undefined && known.digest !== '' && known.version <= head.version && !samePosition(known, head),
    history_truncated: behind,
    delta_larger: behind,
  };
  return plausible[reason] ? undefined : `full ${reason} at ${describe(head)} for a reader at ${describe(known)}`;
}

/** Whether a position, perhaps only a version, may mean the other. */
export function agrees(known: Position, full: Position): boolean {
  return (
    known.version === full.version && ['', full.epoch].includes(known.epoch) && ['', full.digest].includes(known.digest)
  );
}

export function describe(position: Position | undefined): string {
  return position ? `${position.epoch}:${position.version}:${position.digest}` : 'nothing';
}

export function documentOf(view: View): JsonObject {
  return decodeStruct(view.value.bytes);
}

/** What a watcher remembers of one context, and which ones it must send in one go. */
import type { ContextEvent, RemovalReason, SyncResult } from '../contexts/events.js';
import type { Interest } from '../contexts/forms.js';
import type { Position } from '../model.js';
import type { GroupReader, Subscriber } from './hub.js';
import type { WatchEvent } from './reader.js';

const TOGETHER_MAX = 1000;
const TOGETHER_BYTES_MAX = 16 << 20;

/** The watcher that it belongs to. */
interface Owner extends GroupReader {
  offerTo(tracked: Tracked, event: ContextEvent | { readonly kind: 'gap' }): void;
}

/** It subscribes itself where its id was asked for: so no event looks it up. */
export class Tracked implements Subscriber {
  /** Where the reader stands. Null: it knows that there is no such context. Undefined: it knows nothing. */
  at: Position | null | undefined = undefined;
  /** Something may have happened to it since. */
  dirty = false;
  /** In the queue, dirty or no longer. */
  queued = false;
  /** Something about it was sent or confirmed on this watch. */
  confirmed = false;
  /** The reader wants to hear if it is absent. */
  asked = false;
  removal: RemovalReason = 'deleted';
  bundle: Bundle | undefined;

  constructor(
    readonly id: string,
    readonly reader: Owner,
    /** Absent: everything, as it is. */
    readonly interest: Interest | undefined,
  ) {}

  offer(event: ContextEvent | { readonly kind: 'gap' }): void {
    this.reader.offerTo(this, event);
  }

  /** The reader is told what it lacks, and stands there. Undefined: it lacks nothing. */
  take(result: SyncResult): WatchEvent | undefined {
    const { id, at: before, confirmed } = this;
    this.confirmed = true;
    switch (result.kind) {
      case 'no_change':
        // The reader may have named only a version: from here on it has the whole position.
        this.at = result.position;
        return undefined;
      case 'delta':
        this.at = result.delta.to;
        return { kind: 'delta', delta: result.delta };
      case 'full':
        this.at = result.view.head.position;
        return { kind: 'full', view: result.view, reason: result.reason };
      case 'missing': {
        this.at = null;
        const reason = result.removal ?? this.removal;
        this.removal = 'deleted';
        if (before && confirmed) return { kind: 'deleted', id, position: before, reason };
        return before !== null && this.asked ? { kind: 'absent', id } : undefined;
      }
    }
  }
}

/**
 * Contexts of which some moved together, and perhaps others together with those, while the reader had not heard of it
 * yet. What it lacks of all of them goes out in one go, as of one moment.
 */
export class Bundle {
  readonly members = new Set<Tracked>();
  /** How many groups made it. */
  groups = 0;
  /** Times that another group joined while it was read. */
  interruptions = 0;

  /** Puts these, and all that they are bundled with, into one. */
  static join(members: readonly Tracked[]): void {
    const [first = new Bundle(), ...others] = new Set(members.flatMap(({ bundle }) => bundle ?? []));
    const joined = [first, ...others].reduce((a, b) => (b.members.size > a.members.size ? b : a));
    for (const bundle of [first, ...others]) if (bundle !== joined) joined.#add(bundle.members);
    joined.#add(members);
    joined.groups++;
  }

  /** More contexts than are ever kept back until all of them can be sent. */
  get tooMany(): boolean {
    return this.members.size > TOGETHER_MAX;
  }

  /** From now on each goes its own way. */
  dissolve(): void {
    for (const member of this.members) member.bundle = undefined;
  }

  #add(members: Iterable<Tracked>): void {
    for (const member of members) {
      this.members.add(member);
      member.bundle = this;
    }
  }
}

/** Whether these take more bytes than may go out in one go, whatever room the reader has. */
export function tooHeavy(results: readonly SyncResult[]): boolean {
  return results.reduce((sum, result) => sum + bytesOf(result), 0) > TOGETHER_BYTES_MAX;
}

function bytesOf(result: SyncResult): number {
  if (result.kind === 'full') return result.view.value.bytes.length;
  return result.kind === 'delta' ? result.delta.payload.changes.length : 0;
}

/**
 * What a watch makes of each message of its streams, and what it asks for when it connects again. Pure: it knows
 * no network. See clients/README.md, "The tracker".
 */
import { FullReason } from './gen/chord/v1/model.js';
import { DeletedReason, type Subscription, type WatchContextsResponse } from './gen/chord/v1/sync_service.js';
import type { JsonObject } from './json.js';
import {
  type Context,
  type Delta,
  fromContext,
  fromDelta,
  fromPosition,
  type Path,
  type Position,
  samePosition,
  toPath,
} from './model.js';
import { utf8Length } from './text.js';

/**
 * A context id; or all contexts whose ids begin with a prefix, those still to be created included. With `paths` only these parts
 * of the documents; where several targets cover a context, the union of their parts.
 */
export type Target =
  | string
  | { readonly id: string; readonly paths?: readonly Path[] | undefined }
  | { readonly prefix: string; readonly paths?: readonly Path[] | undefined };

/** The id or the prefix. */
export function nameOf(target: Target): string {
  if (typeof target === 'string') return target;
  return 'id' in target ? target.id : target.prefix;
}

/** The whole document, and why it came. */
export type FullEvent = Context & { readonly type: 'full'; readonly value: JsonObject; readonly reason: string };
/** The document has changed. */
export type DeltaEvent = Delta & { readonly type: 'delta' };
/** What a watch brings. */
export type WatchEvent = (
  | FullEvent
  | DeltaEvent
  | {
      readonly type: 'deleted';
      readonly contextId: string;
      readonly position: Position;
      /** UNKNOWN: it went while the connection was away. */
      readonly reason: 'DELETED' | 'EXPIRED' | 'UNKNOWN' | 'UNSPECIFIED';
    }
  | { readonly type: 'absent'; readonly contextId: string }
  | { readonly type: 'caughtUp' }
) & {
  /** The next event belongs to the same batch, and is there already. */
  readonly more: boolean;
};

/** Of a request's 4 MiB; a position with its framing takes 40. */
const KNOWN_BYTES_MAX = 3 * 2 ** 20;
const POSITION_BYTES = 40;

export class Tracker {
  readonly #positions: Map<string, Position>;
  readonly #absent = new Set<string>();
  /** Held, but not in the request of this connection: a context without an event until the stream has caught up is gone. */
  #omitted = new Set<string>();
  /** Did not fit: the next request asks for the document. */
  readonly #doubted = new Set<string>();
  /** Messages of a batch that is not complete. */
  #kept: WatchContextsResponse[] = [];

  constructor(
    private readonly targets: readonly Target[],
    known: ReadonlyMap<string, Position> = new Map(),
    private readonly knownBytesMax = KNOWN_BYTES_MAX,
  ) {
    this.#positions = new Map(known);
  }

  /** A connection begins: answers the subscriptions to ask for. */
  connect(): Subscription[] {
    this.#kept = [];
    const room = { bytes: this.knownBytesMax };
    const subscriptions = this.targets.map((target): Subscription => {
      const known = new Map<string, Position>();
      for (const [id, position] of this.#covered(target)) {
        const bytes = utf8Length(id) + POSITION_BYTES;
        if (this.#doubted.has(id) || bytes > room.bytes) continue;
        room.bytes -= bytes;
        known.set(id, position);
      }
      const $case = isPrefix(target) ? 'prefix' : 'contextId';
      const paths = typeof target === 'string' ? [] : (target.paths ?? []).map(toPath);
      return { target: { $case, value: nameOf(target) }, known, paths };
    });
    this.#omitted = new Set(this.#positions.keys());
    for (const { known } of subscriptions) for (const id of known.keys()) this.#omitted.delete(id);
    return subscriptions;
  }

  /**
   * A message: answers the events to deliver, those of a batch with its last message; undefined where it leaves a gap,
   * and the watch must connect again.
   */
  take(message: WatchContextsResponse): WatchEvent[] | undefined {
    const kind = message.event?.$case;
    if (kind === 'heartbeat' || kind === 'closing') return [];
    if (message.more) {
      this.#kept.push(message);
      return [];
    }
    if (this.#kept.length === 0) return this.#take(message);
    const batch = [...this.#kept, message];
    this.#kept = [];
    return this.#takeBatch(batch);
  }

  #takeBatch(messages: readonly WatchContextsResponse[]): WatchEvent[] | undefined {
    const before = messages.map(({ event }) => this.#standing(idOf(event)));
    const events: WatchEvent[] = [];
    for (const message of messages) {
      const taken = this.#take(message);
      if (!taken) {
        for (const restore of before) restore();
        this.doubt(idOf(message.event));
        return undefined;
      }
      events.push(...taken);
    }
    return events.map((event, i) => (i < events.length - 1 ? { ...event, more: true } : event));
  }

  /** Answers what brings this context back to where it stands now. */
  #standing(id: string): () => void {
    const position = this.#positions.get(id);
    const marks = [this.#absent, this.#omitted, this.#doubted].filter((ids) => ids.has(id));
    return () => {
      if (position) this.#positions.set(id, position);
      else this.#positions.delete(id);
      for (const ids of [this.#absent, this.#omitted, this.#doubted]) {
        if (marks.includes(ids)) ids.add(id);
        else ids.delete(id);
      }
    };
  }

  #take({ event }: WatchContextsResponse): WatchEvent[] | undefined {
    switch (event?.$case) {
      case 'full':
        return this.#full(
          { ...fromContext(event.value.context!), value: event.value.context?.value ?? {} },
          FullReason[event.value.reason],
        );
      case 'delta':
        return this.#delta(fromDelta(event.value));
      case 'deleted': {
        const { contextId, position, reason } = event.value;
        return this.#gone(contextId, fromPosition(position), DeletedReason[reason] as 'DELETED' | undefined);
      }
      case 'absent':
        return this.#missing(event.value.contextId);
      case 'caughtUp':
        return [...[...this.#omitted].flatMap((id) => this.#missing(id)), { type: 'caughtUp', more: false }];
      default:
        return [];
    }
  }

  /** What was delivered of this context turned out not to fit: the next connection brings the document. */
  doubt(id: string): void {
    if (this.#positions.has(id)) this.#doubted.add(id);
  }

  /** These events were delivered, and the reader's copy is as before them: the next connection brings the documents. */
  refuse(events: readonly WatchEvent[]): void {
    for (const event of events) {
      if (event.type === 'caughtUp' || event.type === 'absent') continue;
      if (event.type === 'deleted') {
        this.#positions.set(event.contextId, event.position);
        this.#absent.delete(event.contextId);
      }
      this.doubt(event.contextId);
    }
  }

  #full(context: Context & { readonly value: JsonObject }, reason: string | undefined): WatchEvent[] {
    const { contextId, position } = context;
    const held = this.#positions.get(contextId);
    this.#omitted.delete(contextId);
    if (held && samePosition(held, position) && !this.#doubted.has(contextId)) return [];
    this.#doubted.delete(contextId);
    this.#absent.delete(contextId);
    this.#positions.set(contextId, position);
    return [{ type: 'full', ...context, reason: reason ?? 'UNSPECIFIED', more: false }];
  }

  #delta(delta: Delta): WatchEvent[] | undefined {
    const { contextId: id, from, to } = delta;
    const held = this.#positions.get(id);
    if (!held || this.#doubted.has(id) || !fits(held, from)) {
      this.doubt(id);
      return undefined;
    }
    this.#omitted.delete(id);
    this.#positions.set(id, to);
    return [{ type: 'delta', ...delta, more: false }];
  }

  #gone(contextId: string, position: Position, reason: 'DELETED' | 'EXPIRED' | 'UNKNOWN' = 'UNKNOWN'): WatchEvent[] {
    this.#omitted.delete(contextId);
    this.#doubted.delete(contextId);
    if (!this.#positions.delete(contextId)) return [];
    this.#absent.add(contextId);
    return [{ type: 'deleted', contextId, position, reason, more: false }];
  }

  #missing(contextId: string): WatchEvent[] {
    const held = this.#positions.get(contextId);
    if (held) return this.#gone(contextId, held);
    if (this.#absent.has(contextId)) return [];
    this.#absent.add(contextId);
    return [{ type: 'absent', contextId, more: false }];
  }

  #covered(target: Target): Iterable<[string, Position]> {
    const name = nameOf(target);
    if (isPrefix(target)) return [...this.#positions].filter(([id]) => id.startsWith(name));
    const position = this.#positions.get(name);
    return position ? [[name, position]] : [];
  }
}

function isPrefix(target: Target): boolean {
  return typeof target !== 'string' && 'prefix' in target;
}

/** Empty for events of no context. */
function idOf(event: WatchContextsResponse['event']): string {
  switch (event?.$case) {
    case 'full':
      return event.value.context?.contextId ?? '';
    case 'delta':
    case 'deleted':
    case 'absent':
      return event.value.contextId;
    default:
      return '';
  }
}

/** The caller may have named only a version. */
function fits(held: Position, from: Position): boolean {
  return (
    held.version === from.version &&
    (held.epoch === '' || held.epoch === from.epoch) &&
    (held.digest === '' || held.digest === from.digest)
  );
}

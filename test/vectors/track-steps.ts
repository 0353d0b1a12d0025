/** The words that track.ts is written in: messages of a stream, and what becomes of each. */
import { type Delta, FullReason } from '../../src/gen/chord/v1/model.js';
import { DeletedReason, WatchContextsResponse } from '../../src/gen/chord/v1/sync_service.js';
import type { JsonObject, Position } from '../../src/model.js';
import { toProto } from './proto.js';

export type Target = { readonly id: string } | { readonly prefix: string };
export type Known = { readonly [id: string]: Position };

export interface Step {
  /** A message: WatchContextsResponse, base64. Then `events`, and `gap` where it is one. */
  readonly response?: string;
  readonly events?: readonly object[];
  readonly gap?: true;
  /** A connection begins. Then `known`, one for each target. */
  readonly connect?: true;
  readonly known?: readonly Known[];
}

export interface TrackVector {
  readonly name: string;
  readonly targets: readonly Target[];
  readonly known?: Known;
  readonly knownBytesMax?: number;
  readonly steps: readonly Step[];
}

export const at = (version: number, epoch = 'e1', digest = `${epoch}d${version}`): Position => ({
  epoch,
  version,
  digest,
});

type Message = NonNullable<WatchContextsResponse['event']>;

export const message = (event: Message | undefined, more = false): string =>
  Buffer.from(WatchContextsResponse.encode({ event, more }).finish()).toString('base64');

/** A message that is delivered as it comes, or swallowed, or leaves a gap. */
interface Sent {
  readonly event: Message;
  readonly form: object;
}

export function full(
  contextId: string,
  position: Position,
  value: JsonObject = { v: position.version },
  reason = FullReason.INITIAL,
): Sent {
  const context = { contextId, value, position, createdAt: undefined, updatedAt: undefined, expiresAt: undefined };
  return {
    event: { $case: 'full', value: { context, reason } },
    form: { event: 'full', contextId, value, position, reason: FullReason[reason] },
  };
}

export function delta(contextId: string, from: Position, to: Position): Sent {
  const change = { action: 'modified', path: ['v'], value: to.version } as const;
  const none = { updatedAt: undefined, formatted: undefined, inexpressible: '' };
  const sent: Delta = { contextId, from, to, changes: [toProto(change)], ...none };
  return { event: { $case: 'delta', value: sent }, form: { event: 'delta', contextId, from, to, changes: [change] } };
}

export function deleted(contextId: string, position: Position, reason = DeletedReason.DELETED): Sent {
  return {
    event: { $case: 'deleted', value: { contextId, position, reason } },
    form: { event: 'deleted', contextId, position, reason: DeletedReason[reason] },
  };
}

export const absent = (contextId: string): Sent => ({
  event: { $case: 'absent', value: { contextId } },
  form: { event: 'absent', contextId },
});

export const unknownDeleted = (contextId: string, position: Position) => ({
  event: 'deleted',
  contextId,
  position,
  reason: 'UNKNOWN',
});

export const caughtUp: Sent = { event: { $case: 'caughtUp', value: {} }, form: { event: 'caughtUp' } };
export const heartbeat: Message = { $case: 'heartbeat', value: { sentAt: { seconds: 1, nanos: 0 } } };
export const closing: Message = { $case: 'closing', value: { reason: 'stop', retryAfter: { seconds: 1, nanos: 0 } } };

export const connect = (...known: Known[]): Step => ({ connect: true, known });
export const delivered = ({ event, form }: Sent): Step => ({ response: message(event), events: [form] });
export const swallowed = (sent: Sent | Message): Step => ({
  response: message('event' in sent ? sent.event : sent),
  events: [],
});
export const gap = ({ event }: Sent): Step => ({ response: message(event), events: [], gap: true });
export const instead = ({ event }: Sent, ...events: object[]): Step => ({ response: message(event), events });

/** A message of a batch of which more is to come: nothing is delivered yet. */
export const kept = ({ event }: Sent): Step => ({ response: message(event, true), events: [] });
/** The last message of a batch: all of it is delivered. */
export const whole = ({ event }: Sent, ...events: object[]): Step => ({
  response: message(event),
  events: events.map((form, i) => (i < events.length - 1 ? { ...form, more: true } : form)),
});

/** What a reader lacks of a context, in the form that the reader requested. */
import type { DeltaView, SyncResult } from '../contexts/events.js';
import type { ContextService } from '../contexts/service.js';
import { fit, projectDeltaFor, type WatchInterest } from '../contexts/sync/projection.js';
import type { Position } from '../model/model.js';
import type { Cursor } from './cursor.js';
import type { WatchEvent } from './subscription.js';

/** The lack now, or as of position `then`. */
export function lack(
  service: ContextService,
  { id, at, interest }: Cursor,
  then?: Position | null,
): SyncResult | Promise<SyncResult> {
  const known = at ?? undefined;
  const answer = then === undefined ? service.sync(id, known) : service.syncAt(id, known, then);
  if (!interest) return answer;
  if (answer instanceof Promise) return answer.then((result) => fit(result, interest, service.wholeValues));
  return fit(answer, interest, service.wholeValues);
}

/** The event to send at once. Undefined: not available synchronously, or an error; the long path handles both. */
export function fitNow(service: ContextService, delta: DeltaView, interest: WatchInterest): WatchEvent | undefined {
  try {
    const sent = projectDeltaFor(delta, interest, service.wholeValues);
    return sent instanceof Promise ? undefined : { kind: 'delta', delta: sent };
  } catch {
    return undefined;
  }
}

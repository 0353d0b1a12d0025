/**
 * The output of `--json`: the messages of the API as plain JSON. Positions are in their text form, ready for `--known`
 * and `--expected`; times are in ISO 8601; absent fields are left out. These forms are stable.
 */
import {
  Cause,
  type Change,
  ChangeAction,
  type Context,
  type Delta,
  type Full,
  FullReason,
  type MemberExpiry,
} from '../../gen/chord/v1/model.js';
import {
  DeletedReason,
  type SyncContextResponse,
  type WatchContextsResponse,
} from '../../gen/chord/v1/sync_service.js';
import { formatPosition, isoTime } from './format.js';

/** Absent fields are undefined, which JSON.stringify leaves out. */
type Form = Record<string, unknown>;

export function contextForm(context: Context): Form {
  return {
    contextId: context.contextId,
    position: formatPosition(context.position),
    createdAt: isoTime(context.createdAt),
    updatedAt: isoTime(context.updatedAt),
    expiresAt: isoTime(context.expiresAt),
    value: context.value,
  };
}

export function expiryForm({ path, expiresAt }: MemberExpiry): Form {
  return { path: path?.keys ?? [], expiresAt: isoTime(expiresAt) };
}

/** Who wrote a version, and what the write said of itself; undefined: nothing is known. */
export function authorshipForm({ provenance }: Pick<Delta, 'provenance'>): Form {
  const { author, annotations } = provenance ?? {};
  return { author: author || undefined, annotations: annotations?.size ? Object.fromEntries(annotations) : undefined };
}

/** What wrote the version of a delta; undefined: a client, or several versions. */
export function causeOf({ provenance }: Delta): string | undefined {
  return provenance?.cause ? (Cause[provenance.cause] ?? 'UNKNOWN').toLowerCase() : undefined;
}

export function deltaForm(delta: Delta): Form {
  return {
    contextId: delta.contextId,
    from: formatPosition(delta.from),
    to: formatPosition(delta.to),
    updatedAt: isoTime(delta.updatedAt),
    cause: causeOf(delta),
    ...authorshipForm(delta),
    ...(isFormatted(delta)
      ? { formatted: delta.formatted, inexpressible: delta.inexpressible || undefined }
      : { changes: delta.changes.map(changeForm) }),
  };
}

/** Whether the delta is in a format other than changes. */
export function isFormatted({ formatted, inexpressible }: Delta): boolean {
  return formatted !== undefined || inexpressible !== '';
}

export function changeForm({ path, action, value, oldValue, splice, textSplice }: Change): Form {
  const removed = splice && splice.removed.length > 0 ? splice.removed : undefined;
  return {
    action: (ChangeAction[action] ?? 'UNKNOWN').toLowerCase(),
    path,
    value,
    oldValue,
    splice: splice && { index: splice.index, removedCount: splice.removedCount, removed, inserted: splice.inserted },
    textSplice: textSplice && { ...textSplice, removed: textSplice.removed || undefined },
  };
}

function fullForm({ context, reason }: Full): Form {
  return { reason: FullReason[reason], ...(context && contextForm(context)) };
}

export function syncForm(contextId: string, { result }: Pick<SyncContextResponse, 'result'>): Form {
  switch (result?.$case) {
    case 'full':
      return { result: 'full', ...fullForm(result.value) };
    case 'delta':
      return { result: 'delta', ...deltaForm(result.value) };
    default:
      return { result: 'noChange', contextId, position: formatPosition(result?.value.position) };
  }
}

/** Undefined for events that concern the connection alone. `more`: the next one belongs to the same batch. */
export function eventForm({ event, more }: WatchContextsResponse): Form | undefined {
  const form = formOf(event);
  return form && more ? { ...form, more } : form;
}

function formOf(event: WatchContextsResponse['event']): Form | undefined {
  switch (event?.$case) {
    case 'full':
      return { event: 'full', ...fullForm(event.value) };
    case 'delta':
      return { event: 'delta', ...deltaForm(event.value) };
    case 'deleted': {
      const { contextId, position, reason } = event.value;
      return { event: 'deleted', contextId, position: formatPosition(position), reason: DeletedReason[reason] };
    }
    case 'absent':
      return { event: 'absent', contextId: event.value.contextId };
    case 'caughtUp':
      return { event: 'caughtUp' };
    default:
      return undefined;
  }
}

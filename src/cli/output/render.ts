/**
 * Formats changes and events as lines:
 *
 *     + path = value              added
 *     ~ path = value              modified
 *     - path                      removed
 *     ~ path[20] -1 +2 = [...]    at index 20 of a list, these two elements replace one
 *     ~ path[20] -1 +2 = "..."    the same for the code points of a string
 *
 * With old values, `(was ...)` follows. Control characters in text of the server are escaped.
 */
import {
  type Change,
  ChangeAction,
  type Delta,
  type Full,
  FullReason,
  type TextSplice,
} from '../../gen/chord/v1/model.js';
import { DeletedReason, type WatchContextsResponse } from '../../gen/chord/v1/sync_service.js';
import { formatId, formatPath, formatPosition, formatValue, harmless } from './format.js';
import type { StyledText } from './styled-text.js';

export function renderDelta(delta: Delta): StyledText[] {
  if (delta.inexpressible !== '') return [[['red', `! ${harmless(delta.inexpressible)}`]]];
  if (delta.formatted !== undefined) return [[['plain', formatValue(delta.formatted)]]];
  return delta.changes.map(renderChange);
}

export function renderChange(change: Change): StyledText {
  const path = formatPath(change.path);
  const was: StyledText = change.oldValue === undefined ? [] : [['dim', ` (was ${formatValue(change.oldValue)})`]];
  switch (change.action) {
    case ChangeAction.ADDED:
      return [['green', `+ ${path} = ${formatValue(change.value)}`]];
    case ChangeAction.MODIFIED:
      return [['yellow', `~ ${path} = ${formatValue(change.value)}`], ...was];
    case ChangeAction.REMOVED:
      return [['red', `- ${path}`], ...was];
    case ChangeAction.SPLICED:
      return renderSplice(path, change);
    default:
      return [['plain', `? ${path}`]];
  }
}

function renderSplice(path: string, { splice, textSplice }: Change): StyledText {
  if (textSplice) return renderTextSplice(path, textSplice);
  const { index = 0, removedCount = 0, removed = [], inserted = [] } = splice ?? {};
  const minus = removedCount > 0 ? ` -${removedCount}` : '';
  const plus = inserted.length > 0 ? ` +${inserted.length} = ${formatValue(inserted)}` : '';
  const was: StyledText = removed.length > 0 ? [['dim', ` (was ${formatValue(removed)})`]] : [];
  return [['yellow', `~ ${path}[${index}]${minus}${plus}`], ...was];
}

function renderTextSplice(path: string, { index, removedCount, removed, inserted }: TextSplice): StyledText {
  const minus = removedCount > 0 ? ` -${removedCount}` : '';
  const plus = inserted !== '' ? ` +${[...inserted].length} = ${formatValue(inserted)}` : '';
  const was: StyledText = removed !== '' ? [['dim', ` (was ${formatValue(removed)})`]] : [];
  return [['yellow', `~ ${path}[${index}]${minus}${plus}`], ...was];
}

/** The lines of one watch event; each begins with the context's id and, where the event has one, its version. */
export function renderEvent({ event }: WatchContextsResponse): StyledText[] {
  switch (event?.$case) {
    case 'full':
      return [renderFull(event.value)];
    case 'delta': {
      const { contextId, to } = event.value;
      return renderDelta(event.value).map((line) => [...label(contextId, to?.version), ...line]);
    }
    case 'deleted': {
      const why = event.value.reason === DeletedReason.EXPIRED ? 'expired' : 'deleted';
      return [[...label(event.value.contextId, event.value.position?.version), ['red', why]]];
    }
    case 'absent':
      return [[...label(event.value.contextId), ['dim', 'does not exist']]];
    default:
      return [];
  }
}

function renderFull({ context, reason }: Full): StyledText {
  return [
    ...label(context?.contextId ?? '', context?.position?.version),
    ['plain', `= ${formatValue(context?.value ?? {})}`],
    ['dim', reason === FullReason.INITIAL ? '' : ` (${reasonText(reason)})`],
  ];
}

/** `epoch changed` for EPOCH_CHANGED. */
export function reasonText(reason: FullReason): string {
  return (FullReason[reason] ?? 'UNKNOWN').toLowerCase().replaceAll('_', ' ');
}

function label(id: string, version?: number): StyledText {
  return [
    ['cyan', formatId(id)],
    ['dim', version === undefined ? '' : ` ${version}`],
    ['plain', ' '],
  ];
}

/** `room:1  epoch:42:digest -> epoch:45:digest` */
export function renderSpan({ contextId, from, to }: Delta): StyledText {
  return [
    ['cyan', formatId(contextId)],
    ['dim', ` ${formatPosition(from)} -> `],
    ['plain', formatPosition(to)],
  ];
}

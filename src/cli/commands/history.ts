/** `log` and `diff`: what happened to a context. */
import { diff as diffOf } from '../../delta/index.js';
import type { Change as DomainChange } from '../../delta/types.js';
import { ContextServiceService as contexts } from '../../gen/chord/v1/context_service.js';
import { type Change, ChangeAction, type Delta } from '../../gen/chord/v1/model.js';
import { SyncServiceService as syncs } from '../../gen/chord/v1/sync_service.js';
import type { JsonObject } from '../../model/model.js';
import type { Session } from '../client/client.js';
import { formatPath, formatPosition, isoTime } from '../output/format.js';
import { changeForm } from '../output/json.js';
import { renderChange } from '../output/render.js';
import type { StyledText } from '../output/styled-text.js';

const PAGE_SIZE = 500;
/** Paths that a line of the log names. */
const PATHS_MAX = 5;

/** Newest first; with --json one object a line. */
export async function log(session: Session, contextId: string, limit = Number.POSITIVE_INFINITY): Promise<void> {
  const page = { contextId, includeOldValues: false, format: '' };
  const { head } = await session.call(syncs.listDeltas, { ...page, fromVersion: 0, pageSize: 1, pageToken: '' });
  const fromVersion = Math.max(0, (head?.version ?? 0) - limit);
  const deltas: Delta[] = [];
  let truncated = false;
  for (let pageToken = '', first = true; first || pageToken !== ''; first = false) {
    const answer = await session.call(syncs.listDeltas, { ...page, fromVersion, pageSize: PAGE_SIZE, pageToken });
    truncated ||= answer.truncated;
    deltas.push(...answer.deltas);
    pageToken = answer.nextPageToken;
  }
  const { out } = session;
  for (const delta of deltas.slice(-limit).reverse()) {
    if (out.json) await out.print(logForm(delta), () => []);
    else await out.lines([logLine(delta)], process.stdout.columns || undefined);
  }
  if (truncated) out.note('older deltas are no longer kept');
}

/** @param to 0: as it is now */
export async function diff(
  session: Session,
  contextId: string,
  from: number,
  to: number,
  olds: boolean,
): Promise<void> {
  const [before, after] = [
    (await session.call(contexts.getContext, { contextId, version: from })).context,
    (await session.call(contexts.getContext, { contextId, version: to })).context,
  ];
  const changes = diffOf((before?.value ?? {}) as JsonObject, (after?.value ?? {}) as JsonObject).map((change) =>
    toProto(change, olds),
  );
  const span = { contextId, from: formatPosition(before?.position), to: formatPosition(after?.position) };
  await session.out.print({ ...span, changes: changes.map(changeForm) }, () => changes.map(renderChange));
}

function logForm(delta: Delta) {
  return {
    version: delta.to?.version,
    position: formatPosition(delta.to),
    updatedAt: isoTime(delta.updatedAt),
    ...countsOf(delta),
    paths: delta.changes.map(({ path }) => path),
  };
}

/** `42  2026-11-22T11:42:51.000Z  +1 ~2 -0  users.ann, topic` */
function logLine(delta: Delta): StyledText {
  const { added, modified, removed } = countsOf(delta);
  const paths = delta.changes.slice(0, PATHS_MAX).map(({ path }) => formatPath(path));
  const more = delta.changes.length > PATHS_MAX ? `, ... ${delta.changes.length - PATHS_MAX} more` : '';
  return [
    ['cyan', `${delta.to?.version ?? '-'}`],
    ['dim', `  ${isoTime(delta.updatedAt) ?? '-'}  `],
    ['green', `+${added} `],
    ['yellow', `~${modified} `],
    ['red', `-${removed}`],
    ['plain', `  ${paths.join(', ')}${more}`],
  ];
}

function countsOf({ changes }: Delta) {
  const count = (...actions: ChangeAction[]) => changes.filter(({ action }) => actions.includes(action)).length;
  return {
    added: count(ChangeAction.ADDED),
    modified: count(ChangeAction.MODIFIED, ChangeAction.SPLICED),
    removed: count(ChangeAction.REMOVED),
  };
}

function toProto(change: DomainChange, olds: boolean): Change {
  const made = { path: [...change.path], value: undefined, oldValue: undefined, splice: undefined };
  switch (change.action) {
    case 'added':
      return { ...made, action: ChangeAction.ADDED, value: change.value };
    case 'modified':
      return { ...made, action: ChangeAction.MODIFIED, value: change.value, oldValue: olds ? change.old : undefined };
    case 'removed':
      return { ...made, action: ChangeAction.REMOVED, oldValue: olds ? change.old : undefined };
    case 'spliced': {
      const { index, removedCount, removed = [], inserted } = change;
      const splice = { index, removedCount, removed: olds ? [...removed] : [], inserted: [...inserted] };
      return { ...made, action: ChangeAction.SPLICED, splice };
    }
  }
}

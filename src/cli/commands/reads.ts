/** `get`, `ls`, `sync`, `deltas`. What `log` and `diff` do is in history.ts. */
import { ContextServiceService as contexts } from '../../gen/chord/v1/context_service.js';
import type { Context, Position } from '../../gen/chord/v1/model.js';
import { type SyncContextResponse, SyncServiceService as syncs } from '../../gen/chord/v1/sync_service.js';
import type { Session } from '../client/client.js';
import { formatDocument, formatId, formatPosition, formatValue, isoTime } from '../output/format.js';
import { contextForm, deltaForm, syncForm } from '../output/json.js';
import { reasonText, renderDelta, renderSpan } from '../output/render.js';
import { renderTable, type StyledText } from '../output/styled-text.js';

const PAGE_SIZE = 500;

/** Prints the document alone, so that it can be piped on; on a terminal its position stands above it. */
export async function get(session: Session, contextId: string, { version = 0 }: { version?: number }): Promise<void> {
  const { context } = await session.call(contexts.getContext, { contextId, version });
  await session.out.print(context && contextForm(context), () => [
    ...(session.out.terminal && context ? [contextLine(context)] : []),
    ...documentLines(context),
  ]);
}

/** All contexts that begin with `prefix`, page by page; with --json one line each. */
export async function list(session: Session, prefix: string, options: { values?: boolean }): Promise<void> {
  const { out } = session;
  let pageToken = '';
  do {
    const request = { prefix, pageSize: PAGE_SIZE, pageToken, includeValues: options.values ?? false };
    const page = await session.call(contexts.listContexts, request);
    if (out.json) for (const context of page.contexts) await out.print(contextForm(context), () => []);
    else await out.lines(listLines(page.contexts, pageToken === ''));
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
}

function listLines(contexts: readonly Context[], first: boolean): readonly StyledText[] {
  const rows = contexts.map((context) => [
    formatId(context.contextId),
    formatPosition(context.position),
    isoTime(context.updatedAt) ?? '-',
    isoTime(context.expiresAt) ?? '-',
    ...(context.value ? [formatValue(context.value)] : []),
  ]);
  const table = renderTable(['ID', 'POSITION', 'UPDATED', 'EXPIRES'], rows);
  return first ? table : table.slice(1);
}

/** What a client at `known` lacks. */
export async function sync(
  session: Session,
  contextId: string,
  options: { known?: Position; oldValues?: boolean; format?: string; path?: string[][] },
): Promise<void> {
  const request = {
    contextId,
    known: options.known,
    includeOldValues: options.oldValues ?? false,
    format: options.format ?? '',
    paths: (options.path ?? []).map((keys) => ({ keys })),
  };
  const answer = await session.call(syncs.syncContext, request);
  await session.out.print(syncForm(contextId, answer), () => syncLines(contextId, answer));
}

function syncLines(contextId: string, { result }: SyncContextResponse): readonly StyledText[] {
  switch (result?.$case) {
    case 'full': {
      const { context, reason } = result.value;
      const heading: StyledText = context ? contextLine(context) : [];
      return [[...heading, ['dim', ` (full: ${reasonText(reason)})`]], ...documentLines(context)];
    }
    case 'delta':
      return [renderSpan(result.value), ...renderDelta(result.value)];
    default:
      return [
        [
          ['cyan', formatId(contextId)],
          ['plain', ` no change at ${formatPosition(result?.value.position)}`],
        ],
      ];
  }
}

/** The retained history after version `from`, page by page; with --json one delta a line. */
export async function deltas(
  session: Session,
  contextId: string,
  options: { from?: number; oldValues?: boolean; format?: string },
): Promise<void> {
  const { from: fromVersion = 0, oldValues: includeOldValues = false, format = '' } = options;
  let pageToken = '';
  do {
    const request = { contextId, fromVersion, pageSize: PAGE_SIZE, pageToken, includeOldValues, format };
    const page = await session.call(syncs.listDeltas, request);
    if (pageToken === '' && page.truncated) session.out.note('older deltas are no longer kept');
    for (const delta of page.deltas) {
      await session.out.print(deltaForm(delta), () => [
        [...renderSpan(delta), ['dim', `  ${isoTime(delta.updatedAt) ?? ''}`]],
        ...renderDelta(delta),
      ]);
    }
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
}

function contextLine({ contextId, position, updatedAt }: Context): StyledText {
  return [
    ['cyan', formatId(contextId)],
    ['plain', ` ${formatPosition(position)}`],
    ['dim', ` updated ${isoTime(updatedAt)}`],
  ];
}

/** The document, indented. */
function documentLines(context: Context | undefined): StyledText[] {
  return formatDocument(context?.value ?? {}).map((line) => [['plain', line]]);
}

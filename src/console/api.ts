/** The calls of the console, by the TypeScript client. One that is refused for want of a token asks for one. */
import { type BlamePage, fromLine } from '../../clients/typescript/src/blame.js';
import type { Stats } from '../../clients/typescript/src/gen/chord/v1/stats.js';
import { fromContext, fromDelta, fromPosition } from '../../clients/typescript/src/model.js';
import { admin, contexts, sync } from '../../clients/typescript/src/services.js';
import {
  ChordError,
  Client,
  type Context,
  type Delta,
  type JsonObject,
  type Position,
} from '../../clients/typescript/src/web.js';
import { asked, token } from './state.js';

export type Document = Context & { readonly value: JsonObject };

/** A part of the history, oldest first. */
export interface VersionPage {
  readonly deltas: readonly Delta[];
  /** Older deltas are no longer retained. */
  readonly truncated: boolean;
  /** The page ended before the newest delta. */
  readonly more: boolean;
}

export interface ContextPage {
  readonly contexts: readonly Context[];
  /** Empty: the last page. */
  readonly next: string;
}

/** A write that rests on the position that was seen. */
export interface WriteGuard {
  readonly expected: Position;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Deltas that are listed at once, at most. */
const DELTAS_MAX = 1000;
/** Lines at once. */
const BLAME_PAGE = 200;

const open = () => new Client('/', token.value === undefined ? {} : { token: token.value });
let client = open();
token.follow(() => {
  void client.close();
  client = open();
});

export async function listContexts(
  prefix: string,
  pageToken: string,
  pageSize: number,
  signal: AbortSignal,
): Promise<ContextPage> {
  const page = await answered(client.call(contexts.listContexts, { prefix, pageToken, pageSize }, { signal }));
  return { contexts: page.contexts.map(fromContext), next: page.nextPageToken };
}

export async function getContext(contextId: string, version: number, signal: AbortSignal): Promise<Document> {
  const { context } = await answered(client.call(contexts.getContext, { contextId, version }, { signal }));
  const found = fromContext(context!);
  return { ...found, value: found.value ?? {} };
}

export async function listDeltas(
  contextId: string,
  fromVersion: number,
  pageSize: number,
  signal: AbortSignal,
): Promise<VersionPage> {
  const page = await answered(client.call(sync.listDeltas, { contextId, fromVersion, pageSize }, { signal }));
  return { deltas: page.deltas.map(fromDelta), truncated: page.truncated, more: page.nextPageToken !== '' };
}

/** The version from which the oldest delta leads away: older ones cannot be read. 0: none is lost. */
export async function oldestVersion(contextId: string, head: number, signal: AbortSignal): Promise<number> {
  const { deltas } = await listDeltas(contextId, 0, 1, signal);
  return deltas[0]?.from.version ?? head;
}

/** Kept versions beside one: where the history was thinned, not each version is kept. Undefined: none. */
export interface KeptVersions {
  readonly version: number;
  readonly isKept: boolean;
  readonly before: number | undefined;
  readonly after: number | undefined;
}

export async function keptAround(contextId: string, version: number, signal: AbortSignal): Promise<KeptVersions> {
  const [up, { deltas }] = await Promise.all([
    deltasUpTo(contextId, version, 1, signal),
    listDeltas(contextId, version, 1, signal),
  ]);
  const [last, next] = [up.deltas.at(-1), deltas[0]];
  const isKept = last?.to.version === version || next?.from.version === version;
  const before = (isKept ? last?.from : last?.to)?.version || undefined;
  return { version, isKept, before, after: (isKept ? next?.to : next?.from)?.version };
}

/**
 * Deltas that end at version `upper` or before: those of the last `span` versions; where the history was thinned and has none
 * there, the next ones further back. The older a part of it is, the fewer deltas it has.
 */
export async function deltasUpTo(
  contextId: string,
  upper: number,
  span: number,
  signal: AbortSignal,
): Promise<VersionPage> {
  for (let reach = span; ; reach *= 8) {
    const from = Math.max(0, upper - reach);
    const page = await listDeltas(contextId, from, Math.min(reach, DELTAS_MAX), signal);
    const deltas = page.deltas.filter(({ to }) => to.version <= upper);
    if (deltas.length > 0 || from === 0) return { ...page, deltas };
  }
}

/** Which version made each part, page after page: each page is of the version that the first one met. */
export async function blameContext(
  contextId: string,
  pageToken: string,
  signal: AbortSignal,
): Promise<BlamePage & { readonly next: string }> {
  const request = { contextId, paths: [], pageSize: BLAME_PAGE, pageToken };
  const page = await answered(client.call(sync.blameContext, request, { signal }));
  const { lines, position, olderThan, nextPageToken } = page;
  return { lines: lines.map(fromLine), position: fromPosition(position), olderThan, next: nextPageToken };
}

/** Refused where the context exists. */
export async function createContext(
  contextId: string,
  value: JsonObject,
  annotations: WriteGuard['annotations'],
): Promise<void> {
  await answered(client.set(contextId, value, { annotations, expected: { absent: true } }));
}

export async function deleteContext(contextId: string, { expected, annotations }: WriteGuard): Promise<void> {
  await answered(client.delete(contextId, { annotations, expected: { position: expected } }));
}

export async function setContext(contextId: string, value: JsonObject, guard: WriteGuard): Promise<void> {
  await answered(client.set(contextId, value, { ...guard, expected: { position: guard.expected } }));
}

export async function revertContext(contextId: string, version: number, guard: WriteGuard): Promise<void> {
  const expected = { condition: { $case: 'position' as const, value: guard.expected }, checks: [] };
  const annotations = new Map(Object.entries(guard.annotations));
  await answered(client.call(contexts.revertContext, { contextId, version, expected, annotations }));
}

/** @param held what is known of the context: the watch begins with what came after it */
export function watchContext(contextId: string, held: Document | undefined, signal: AbortSignal, onLost: () => void) {
  const known = new Map(held ? [[contextId, held.position]] : []);
  return client.watch([contextId], { known, signal, onDisconnect: onLost });
}

/** A message each second. */
export async function* watchStats(signal: AbortSignal): AsyncGenerator<Stats> {
  for await (const { stats } of client.stream(admin.watchStats, {}, { signal })) yield stats!;
}

async function answered<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (error) {
    throw refused(error);
  }
}

/** The same error; the page asks for a token where the server does. */
export function refused(error: unknown): Error {
  if (error instanceof ChordError && error.reason === 'UNAUTHENTICATED') asked.set(error.message);
  return error as Error;
}

export function isRefusal(error: unknown, reason: string): boolean {
  return error instanceof ChordError && error.reason === reason;
}

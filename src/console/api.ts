/** The calls of the console, by the TypeScript client. One that is refused for want of a token asks for one. */
import type { Stats } from '../../clients/typescript/src/gen/chord/v1/stats.js';
import { fromContext, fromDelta } from '../../clients/typescript/src/model.js';
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

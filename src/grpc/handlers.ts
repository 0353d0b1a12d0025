/**
 * The calls: convert, call, answer. Whatever is thrown or rejected becomes a status in server.ts. The two most
 * frequent writes return the promise that they have: an async function would make two more for each call in flight.
 */
import type { Sweeper } from '../cleanup/sweeper.js';
import { PAGE_BYTES } from '../contexts/limits.js';
import { tokenAfter } from '../contexts/pages.js';
import type { ContextService, HeadPage, UpdateOptions } from '../contexts/service.js';
import { ChordError } from '../errors.js';
import type * as k from '../gen/chord/v1/cleanup_service.js';
import type * as c from '../gen/chord/v1/context_service.js';
import type * as m from '../gen/chord/v1/model.js';
import type * as s from '../gen/chord/v1/sync_service.js';
import { fromDuration, fromExpected, fromMutations, toContext } from './convert.js';
import { fromInterval, fromOptions, fromRun, toCleanupStatus, toResult } from './convert-cleanup.js';
import { deltasResponse, getResponse, syncResponse, writeResponse } from './wire.js';

type Answer<T> = T | Buffer | Promise<T | Buffer>;

export function contextHandlers(contexts: ContextService) {
  return {
    setContext(request: c.SetContextRequest): Promise<Buffer> {
      const { contextId, value = {}, returning } = request;
      const written = contexts.set(contextId, value, writeOptions(request, true));
      return written.then((result) => writeResponse(result, returning?.oldValues ?? false));
    },

    updateContext(request: c.UpdateContextRequest): Promise<Buffer> {
      const { contextId, changes, allowMissing, returning } = request;
      const edit = { changes, mutations: fromMutations(request.mutations) };
      const written = contexts.update(contextId, edit, writeOptions(request, allowMissing));
      return written.then((result) => writeResponse(result, returning?.oldValues ?? false));
    },

    async getContext(request: c.GetContextRequest): Promise<Buffer> {
      return getResponse(await contexts.get(request.contextId));
    },

    async deleteContext(request: c.DeleteContextRequest): Promise<Buffer> {
      const { allowMissing, requestId } = request;
      const options = { allowMissing, requestId, expected: fromExpected(request.expected) };
      return writeResponse(await contexts.delete(request.contextId, options), false);
    },

    async touchContext(request: c.TouchContextRequest): Promise<c.TouchContextResponse> {
      const head = await contexts.touch(request.contextId, fromDuration(request.ttl));
      return { context: toContext(request.contextId, head) };
    },

    async listContexts(request: c.ListContextsRequest): Promise<c.ListContextsResponse> {
      const page = await contexts.list(request.prefix, request);
      if (!request.includeValues) {
        return { contexts: page.heads.map(({ id, head }) => toContext(id, head)), nextPageToken: page.nextPageToken };
      }
      return withValues(contexts, page);
    },
  };
}

export function syncHandlers(contexts: ContextService) {
  return {
    syncContext(request: s.SyncContextRequest): Answer<s.SyncContextResponse> {
      const { contextId, known, includeOldValues } = request;
      const result = contexts.sync(contextId, known);
      if (!(result instanceof Promise)) return syncResponse(contextId, result, includeOldValues);
      return result.then((later) => syncResponse(contextId, later, includeOldValues));
    },

    async listDeltas(request: s.ListDeltasRequest): Promise<Buffer> {
      const page = await contexts.deltas(request.contextId, request.fromVersion, request);
      return deltasResponse(page, request.includeOldValues);
    },
  };
}

export function cleanupHandlers(cleanup: Sweeper) {
  return {
    async runCleanup(request: k.RunCleanupRequest): Promise<k.RunCleanupResponse> {
      return { result: toResult(await cleanup.run(fromRun(request))) };
    },

    startCleanup({ interval, options }: k.StartCleanupRequest): k.StartCleanupResponse {
      return { status: toCleanupStatus(cleanup.start(fromInterval(interval), fromOptions(options))) };
    },

    async stopCleanup(): Promise<k.StopCleanupResponse> {
      return { status: toCleanupStatus(await cleanup.stop()) };
    },

    updateCleanup({ interval, options }: k.UpdateCleanupRequest): k.UpdateCleanupResponse {
      return { status: toCleanupStatus(cleanup.update(fromInterval(interval), fromOptions(options))) };
    },

    getCleanup(): k.GetCleanupResponse {
      return { status: toCleanupStatus(cleanup.status()) };
    },
  };
}

function writeOptions(request: c.SetContextRequest | c.UpdateContextRequest, allowMissing: boolean): UpdateOptions {
  const { requestId, returning } = request;
  return {
    expected: fromExpected(request.expected),
    requestId,
    ttl: fromDuration(request.ttl),
    returning,
    allowMissing,
  };
}

/** Reads the documents of a page of heads, up to a page's bytes; the token then names the last one read. */
async function withValues(contexts: ContextService, page: HeadPage): Promise<c.ListContextsResponse> {
  const answer: m.Context[] = [];
  let bytes = 0;
  for (const { id } of page.heads) {
    const view = await contexts.get(id).catch(unlessGone);
    if (!view) continue;
    // Generated code passes an encoded document through to the codec, which copies it.
    answer.push({ ...toContext(id, view.head), value: view.value as unknown as { [key: string]: unknown } });
    bytes += view.value.bytes.length;
    const last = id === page.heads.at(-1)?.id;
    if (bytes >= PAGE_BYTES && !last) return { contexts: answer, nextPageToken: tokenAfter(id) };
  }
  return { contexts: answer, nextPageToken: page.nextPageToken };
}

function unlessGone(error: unknown): undefined {
  if (error instanceof ChordError && error.reason === 'NOT_FOUND') return undefined;
  throw error;
}

/**
 * The calls: convert, call, answer. Whatever is thrown or rejected becomes a status in server.ts. The two most
 * frequent writes return the promise that they have: an async function would make two more for each call in flight.
 */
import type { Sweeper } from '../../cleanup/sweeper.js';
import { cutTo, tokenAfter } from '../../contexts/pagination.js';
import type { ContextService, HeadPage, UpdateOptions, WriteResult } from '../../contexts/service.js';
import { type DeltaForm, type Formats, fit, PLAIN } from '../../contexts/sync/projection.js';
import { PAGE_BYTES } from '../../contexts/validation.js';
import type * as a from '../../gen/chord/v1/admin_service.js';
import type * as k from '../../gen/chord/v1/cleanup_service.js';
import type * as c from '../../gen/chord/v1/context_service.js';
import type * as m from '../../gen/chord/v1/model.js';
import type * as s from '../../gen/chord/v1/sync_service.js';
import type * as t from '../../gen/chord/v1/transfer_service.js';
import { ChordError, type Reason } from '../../model/errors.js';
import type { Clock } from '../../model/model.js';
import type { Store } from '../../store/store.js';
import type { Transfer } from '../../transfer/transfer.js';
import type { Call } from '../call.js';
import { fromDuration, fromExpected, fromMutations, fromPaths, toContext, toTimestamp } from '../codec/convert.js';
import { fromWrites } from '../codec/convert-batch.js';
import { fromInterval, fromOptions, fromRun, toCleanupStatus, toResult } from '../codec/convert-cleanup.js';
import { toProgress, toTransferred } from '../codec/convert-transfer.js';
import { batchResponse, deltasResponse, getResponse, syncResponse, writeResponse } from '../codec/response-encoder.js';
import { type StatsSource, watchStats } from './stats.js';

const NO_BACKUP =
  'only a server on lmdb can be backed up like this; on Redis, use the persistence of Redis or `chord export`';

type Answer<T> = T | Buffer | Promise<T | Buffer>;

export function contextHandlers(contexts: ContextService, formats: Formats) {
  const formOf = (returning: m.ReturnOptions | undefined): DeltaForm =>
    returning ? formats.form(returning.format, returning.oldValues, 'returning.format') : PLAIN;

  const respond = (written: Promise<WriteResult>, form: DeltaForm, call: Call): Promise<Buffer> => {
    if (!form.format?.wholeLists) {
      return written.then((result) => {
        call.usage?.owe(result.stored ?? 0);
        return writeResponse(result, form);
      });
    }
    return written.then(async (result) => {
      call.usage?.owe(result.stored ?? 0);
      const delta = result.delta && (await contexts.lists.of(result.delta));
      return writeResponse({ ...result, delta }, form);
    });
  };

  return {
    setContext(request: c.SetContextRequest, call: Call): Promise<Buffer> {
      const { contextId, value = {}, returning } = request;
      const form = formOf(returning);
      return respond(contexts.set(contextId, value, writeOptions(request, call, true)), form, call);
    },

    updateContext(request: c.UpdateContextRequest, call: Call): Promise<Buffer> {
      const { contextId, changes, allowMissing, returning } = request;
      const edit = { changes, mutations: fromMutations(request.mutations) };
      const form = formOf(returning);
      return respond(contexts.update(contextId, edit, writeOptions(request, call, allowMissing)), form, call);
    },

    revertContext(request: c.RevertContextRequest, call: Call): Promise<Buffer> {
      const { contextId, version, returning } = request;
      const form = formOf(returning);
      return respond(contexts.revert(contextId, version, writeOptions(request, call, false)), form, call);
    },

    async getContext({ contextId, version }: c.GetContextRequest): Promise<Buffer> {
      return getResponse(await (version === 0 ? contexts.get(contextId) : contexts.getAtVersion(contextId, version)));
    },

    async deleteContext(request: c.DeleteContextRequest, call: Call): Promise<Buffer> {
      const { allowMissing, requestId } = request;
      const options = { allowMissing, requestId, caller: nameOf(call), expected: fromExpected(request.expected) };
      return writeResponse(await contexts.delete(request.contextId, options), PLAIN);
    },

    async touchContext(request: c.TouchContextRequest): Promise<c.TouchContextResponse> {
      const head = await contexts.touch(request.contextId, fromDuration(request.ttl, 'ttl'));
      return { context: toContext(request.contextId, head) };
    },

    async batchWrite({ writes, requestId }: c.BatchWriteRequest, call: Call): Promise<Buffer> {
      const forms: DeltaForm[] = [];
      const asked = fromWrites(writes, (returning, index) => {
        forms[index] = formOf(returning);
      });
      const results = await contexts.batch(asked, { requestId, caller: nameOf(call) });
      for (const { stored = 0 } of results) call.usage?.owe(stored);
      return batchResponse(
        await Promise.all(
          results.map(async (result, i) => {
            const form = forms[i] ?? PLAIN;
            const delta =
              form.format?.wholeLists && result.delta ? await contexts.lists.of(result.delta) : result.delta;
            return { id: asked[i]!.id, result: { ...result, delta }, form };
          }),
        ),
      );
    },

    async listContexts(request: c.ListContextsRequest): Promise<c.ListContextsResponse> {
      for (let tries = 1; ; tries++) {
        const page = await contexts.list(request.prefix, request);
        if (!request.includeValues) {
          return { contexts: page.heads.map(({ id, head }) => toContext(id, head)), nextPageToken: page.nextPageToken };
        }
        try {
          return await withValues(contexts, page);
        } catch (error) {
          if (!isGone(error)) throw error;
          if (tries === LIST_TRIES_MAX) throw movesOn();
        }
      }
    },
  };
}

export function syncHandlers(contexts: ContextService, formats: Formats) {
  return {
    syncContext(request: s.SyncContextRequest): Answer<s.SyncContextResponse> {
      const { contextId, known } = request;
      const form = formats.form(request.format, request.includeOldValues);
      const interest = { scope: fromPaths(request.paths), wholeLists: form.format?.wholeLists };
      const result = contexts.sync(contextId, known);
      if (interest.scope || interest.wholeLists) {
        const fitting = Promise.resolve(result).then((later) => fit(later, interest, contexts.lists));
        return fitting.then((later) => syncResponse(contextId, later, form));
      }
      if (!(result instanceof Promise)) return syncResponse(contextId, result, form);
      return result.then((later) => syncResponse(contextId, later, form));
    },

    async listDeltas(request: s.ListDeltasRequest): Promise<Buffer> {
      const form = formats.form(request.format, request.includeOldValues);
      const page = await contexts.deltas(request.contextId, request.fromVersion, request);
      if (!form.format?.wholeLists) return deltasResponse(page, form);
      return deltasResponse(cutTo(page, await contexts.lists.all(page.deltas)), form);
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

export function transferHandlers(transfer: Transfer) {
  return {
    async exportContext({ contextId, history }: t.ExportContextRequest): Promise<t.ExportContextResponse> {
      return { context: toTransferred(await transfer.export(contextId, history)) };
    },

    async restoreContext({ contextId, overwrite }: t.RestoreContextRequest): Promise<t.RestoreContextResponse> {
      return { context: toTransferred(await transfer.restore(contextId, overwrite)) };
    },
  };
}

/** Answers of many messages, each sent when the ones before it have left. */
export function transferStreams(transfer: Transfer) {
  return {
    async *exportContexts({ prefix, history }: t.ExportContextsRequest): AsyncGenerator<t.ExportContextsResponse> {
      for await (const each of transfer.exportAll(prefix, history)) yield { progress: toProgress(each) };
    },

    async *restoreContexts({ prefix, overwrite }: t.RestoreContextsRequest): AsyncGenerator<t.RestoreContextsResponse> {
      for await (const each of transfer.restoreAll(prefix, overwrite)) yield { progress: toProgress(each) };
    },
  };
}

/** Answers of many messages, likewise. */
export function adminStreams(store: Store, clock: Clock, stats: StatsSource, stopping: AbortSignal) {
  return {
    watchStats: (request: a.WatchStatsRequest, ended: AbortSignal) => watchStats(stats, request, ended, stopping),

    async *backup(): AsyncGenerator<a.BackupResponse> {
      if (!store.backup) throw new ChordError('FAILED_PRECONDITION', NO_BACKUP);
      const { format, counts, parts } = store.backup();
      const start = { format, takenAt: toTimestamp(clock()), counts: new Map(counts) };
      yield { part: { $case: 'start', value: start } };
      for await (const { database, keys, values } of parts) {
        yield { part: { $case: 'records', value: { database, keys: [...keys], values: [...values] } } };
      }
    },
  };
}

function writeOptions(
  request: c.SetContextRequest | c.UpdateContextRequest | c.RevertContextRequest,
  call: Call,
  allowMissing: boolean,
): UpdateOptions {
  const { requestId, returning } = request;
  return {
    expected: fromExpected(request.expected),
    requestId,
    caller: nameOf(call),
    ttl: fromDuration(request.ttl, 'ttl'),
    returning,
    allowMissing,
  };
}

/** Whose the ids of its requests are. */
function nameOf({ identity }: Call): string {
  return identity.kind === 'anonymous' ? '' : identity.name;
}

/**
 * Reads the documents of a page of heads, as they stood when the page was read, up to a page's bytes; the token then names
 * the last one read.
 */
async function withValues(contexts: ContextService, page: HeadPage): Promise<c.ListContextsResponse> {
  const answer: m.Context[] = [];
  let bytes = 0;
  for (const { id, head } of page.heads) {
    const view = await contexts.getAsOf(id, head.position);
    // Generated code passes an encoded document through to the codec, which copies it.
    answer.push({ ...toContext(id, view.head), value: view.value as unknown as { [key: string]: unknown } });
    bytes += view.value.bytes.length;
    const last = id === page.heads.at(-1)?.id;
    if (bytes >= PAGE_BYTES && !last) return { contexts: answer, nextPageToken: tokenAfter(id) };
  }
  return { contexts: answer, nextPageToken: page.nextPageToken };
}

/** How a document that the page names cannot be had any more: then the page is read anew. */
const GONE: readonly Reason[] = ['NOT_FOUND', 'FAILED_PRECONDITION', 'RESOURCE_EXHAUSTED'];
const LIST_TRIES_MAX = 20;

function isGone(error: unknown): boolean {
  return error instanceof ChordError && GONE.includes(error.reason);
}

function movesOn(): ChordError {
  return new ChordError('UNAVAILABLE', 'the contexts of this page changed too fast to be read as of one moment', {
    retryAfter: 100,
  });
}

/**
 * ContextService: convert, call, answer. Whatever is thrown or rejected becomes a status in the call pipeline. The two
 * most frequent writes return the promise that they have: an async function would make two more for each call in flight.
 */

import type { HeadPage } from '../../contexts/pagination.js';
import { tokenAfter } from '../../contexts/pagination.js';
import type { ContextService } from '../../contexts/service.js';
import { type DeltaForm, type Formats, PLAIN } from '../../contexts/sync/formats.js';
import { bytesRead, pastBudget } from '../../contexts/sync/point-in-time.js';
import { projectDeltaFor, projectView } from '../../contexts/sync/projection.js';
import { PAGE_BYTES } from '../../contexts/validation.js';
import type { UpdateOptions, WriteResult } from '../../contexts/writes/writes.js';
import { contains } from '../../delta/projection.js';
import * as c from '../../gen/chord/v1/context_service.js';
import type * as m from '../../gen/chord/v1/model.js';
import { ChordError, invalid, type Reason } from '../../model/errors.js';
import type { Call } from '../call.js';
import { fromWrites } from '../codec/batch-messages.js';
import {
  fromAnnotations,
  fromExpected,
  fromMutations,
  fromTouched,
  memberTtl,
  toContext,
} from '../codec/context-messages.js';
import { ofBatch } from '../codec/field-names.js';
import { batchResponse, getResponse, writeResponse } from '../codec/response-encoder.js';
import { fromDuration, fromTimestamp } from '../codec/times.js';
import { readable } from '../parts.js';
import type { ServedService } from '../served-service.js';

export function contextService(contexts: ContextService, formats: Formats): ServedService {
  const formOf = (returning: m.ReturnOptions | undefined): DeltaForm =>
    returning ? formats.form(returning.format, returning.oldValues, 'returning.format') : PLAIN;

  const respond = (id: string, written: Promise<WriteResult>, form: DeltaForm, call: Call): Promise<Buffer> => {
    if (!form.format && !call.rights) {
      return written.then((result) => {
        call.usage?.owe(costOf(result));
        return writeResponse(result, form);
      });
    }
    return written.then(async (result) => {
      call.usage?.owe(costOf(result));
      return writeResponse(await returned(id, result, form, call), form);
    });
  };

  /** The result with what the caller may read of it, in the form that it requests. */
  const returned = async <T extends WriteResult>(id: string, result: T, form: DeltaForm, call: Call): Promise<T> => {
    const scope = readable(call, 'read', id);
    const view = result.view && scope ? await projectView(result.view, scope) : result.view;
    const delta = result.delta && (await projectDeltaFor(result.delta, { scope, form }, contexts.wholeValues));
    return { ...result, view, delta };
  };

  const written = async (
    { writes, requestId }: c.BatchWriteRequest,
    call: Call,
    returns: Parameters<typeof fromWrites>[1],
  ) => {
    const { rights } = call;
    try {
      const all = fromWrites(writes, returns);
      const allowed = rights ? all.map((write) => ({ ...write, within: rights.partsOf('write', write.id) })) : all;
      return await contexts.batch(allowed, { requestId, caller: nameOf(call) });
    } catch (error) {
      throw ofBatch(error, writes);
    }
  };

  return {
    definition: c.ContextServiceService,
    unary: {
      setContext(request: c.SetContextRequest, call: Call): Promise<Buffer> {
        const { contextId, value = {}, returning } = request;
        const form = formOf(returning);
        return respond(contextId, contexts.set(contextId, value, writeOptions(request, call, true)), form, call);
      },

      updateContext(request: c.UpdateContextRequest, call: Call): Promise<Buffer> {
        const { contextId, changes, allowMissing, returning } = request;
        const edit = { changes, mutations: fromMutations(request.mutations) };
        const form = formOf(returning);
        return respond(
          contextId,
          contexts.update(contextId, edit, writeOptions(request, call, allowMissing)),
          form,
          call,
        );
      },

      revertContext(request: c.RevertContextRequest, call: Call): Promise<Buffer> {
        const { contextId, version, returning } = request;
        const form = formOf(returning);
        return respond(contextId, contexts.revert(contextId, version, writeOptions(request, call, false)), form, call);
      },

      async getContext({ contextId, version, at, includeExpiries }: c.GetContextRequest, call: Call): Promise<Buffer> {
        const scope = readable(call, 'read', contextId);
        if (at && version !== 0) throw invalid('at', 'must be absent where there is a version');
        if (includeExpiries) {
          if (at || version !== 0) throw invalid('includeExpiries', 'is for the current version alone');
          const { view, expiries } = await contexts.getWithExpiries(contextId);
          if (!scope) return getResponse(view, expiries);
          return getResponse(
            await projectView(view, scope),
            expiries.filter(({ path }) => contains(scope, path)),
          );
        }
        if (!at && version === 0) {
          const view = await contexts.get(contextId);
          return getResponse(scope ? await projectView(view, scope) : view);
        }
        const budget = pastBudget();
        const reading = at
          ? contexts.past.atTime(contextId, fromTimestamp(at, 'at'), budget)
          : contexts.past.atVersion(contextId, version, budget);
        const view = await reading.finally(() => call.usage?.owe(bytesRead(budget)));
        return getResponse(scope ? await projectView(view, scope) : view);
      },

      async deleteContext(request: c.DeleteContextRequest, call: Call): Promise<Buffer> {
        const { allowMissing, requestId } = request;
        const annotations = fromAnnotations(request.annotations);
        const expected = fromExpected(request.expected);
        const options = { allowMissing, requestId, caller: nameOf(call), expected, annotations };
        return writeResponse(await contexts.delete(request.contextId, options), PLAIN);
      },

      async touchContext({ contextId, ttl, paths }: c.TouchContextRequest): Promise<c.TouchContextResponse> {
        const head =
          paths.length > 0
            ? await contexts.touchMembers(contextId, fromTouched(paths), memberTtl(ttl, 'ttl'))
            : await contexts.touch(contextId, fromDuration(ttl, 'ttl'));
        return { context: toContext(contextId, head) };
      },

      async batchWrite(request: c.BatchWriteRequest, call: Call): Promise<Buffer> {
        const { writes } = request;
        const forms: DeltaForm[] = [];
        const results = await written(request, call, (returning, index) => {
          forms[index] = formOf(returning);
        });
        for (const result of results) call.usage?.owe(costOf(result));
        return batchResponse(
          await Promise.all(
            results.map(async (result, i) => {
              const form = forms[i] ?? PLAIN;
              const id = writes[i]!.write!.value.contextId;
              return { id, result: await returned(id, result, form, call), form };
            }),
          ),
        );
      },

      async listContexts(request: c.ListContextsRequest, call: Call): Promise<c.ListContextsResponse> {
        for (let tries = 1; ; tries++) {
          const page = await contexts.list(request.prefix, request);
          if (!request.includeValues) {
            return {
              contexts: page.heads.map(({ id, head }) => toContext(id, head)),
              nextPageToken: page.nextPageToken,
            };
          }
          try {
            return await withValues(contexts, page, call);
          } catch (error) {
            if (!isGone(error)) throw error;
            if (tries === LIST_TRIES_MAX) throw changesTooFast();
          }
        }
      },
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
    annotations: fromAnnotations(request.annotations),
    ttl: fromDuration(request.ttl, 'ttl'),
    returning,
    allowMissing,
    within: call.rights?.partsOf('write', request.contextId),
  };
}

/** The author of what a call writes, whose names its request ids are: what authentication gave, and nothing else. */
function nameOf({ identity }: Call): string {
  return identity.kind === 'anonymous' ? '' : identity.name;
}

/**
 * Reads the documents of a page of heads, at the positions of the page, up to a page's bytes; the token then names the last
 * one read.
 */
async function withValues(contexts: ContextService, page: HeadPage, call: Call): Promise<c.ListContextsResponse> {
  const answer: m.Context[] = [];
  let bytes = 0;
  for (const { id, head } of page.heads) {
    const scope = readable(call, 'read', id);
    const whole = await contexts.getAsOf(id, head.position);
    const view = scope ? await projectView(whole, scope) : whole;
    // Generated code passes an encoded document through to the codec, which copies it.
    answer.push({ ...toContext(id, view.head), value: view.value as unknown as { [key: string]: unknown } });
    bytes += whole.value.bytes.length;
    const last = id === page.heads.at(-1)?.id;
    if (bytes >= PAGE_BYTES && !last) return { contexts: answer, nextPageToken: tokenAfter(id) };
  }
  return { contexts: answer, nextPageToken: page.nextPageToken };
}

/** The reasons for which a document of the page can no longer be read: then the page is read anew. */
const GONE: readonly Reason[] = ['NOT_FOUND', 'FAILED_PRECONDITION', 'RESOURCE_EXHAUSTED'];
const LIST_TRIES_MAX = 20;

function isGone(error: unknown): boolean {
  return error instanceof ChordError && GONE.includes(error.reason);
}

function changesTooFast(): ChordError {
  return new ChordError('UNAVAILABLE', 'the contexts of this page changed too fast to be read as of one moment', {
    retryAfter: 100,
  });
}

/** The bytes that a write cost beyond its request. */
function costOf({ stored = 0, read = 0 }: WriteResult): number {
  return stored + read;
}

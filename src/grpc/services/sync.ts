/** SyncService. Its watch streams are in watch-streams.ts, its waits in waits.ts. */
import { cutTo, type DeltaPage } from '../../contexts/pagination.js';
import type { ContextService } from '../../contexts/service.js';
import { type Formats, isFormatted } from '../../contexts/sync/formats.js';
import { fit, projectDelta } from '../../contexts/sync/projection.js';
import type { Projection } from '../../delta/projection.js';
import * as s from '../../gen/chord/v1/sync_service.js';
import type { Call } from '../call.js';
import { deltasResponse, formattedPage, syncResponse } from '../codec/response-encoder.js';
import { fromPaths, toBlamed } from '../codec/sync-messages.js';
import { readable } from '../parts.js';
import type { ServedService } from '../served-service.js';
import { WAIT_BYTES_MAX, type Waits } from './waits.js';
import type { WatchStreams } from './watch-streams.js';

export function syncService(
  contexts: ContextService,
  formats: Formats,
  watches: WatchStreams,
  waits: Waits,
): ServedService {
  return {
    definition: s.SyncServiceService,
    unary: {
      syncContext(request: s.SyncContextRequest, call: Call): Buffer | Promise<Buffer> {
        const { contextId, known } = request;
        const form = formats.form(request.format, request.includeOldValues);
        const interest = { scope: readable(call, 'read', contextId, fromPaths(request.paths)), form };
        const result = contexts.sync(contextId, known);
        if (interest.scope || form.format) {
          const fitting = Promise.resolve(result).then((later) => fit(later, interest, contexts.wholeValues));
          return fitting.then((later) => syncResponse(contextId, later, form));
        }
        if (!(result instanceof Promise)) return syncResponse(contextId, result, form);
        return result.then((later) => syncResponse(contextId, later, form));
      },

      async listDeltas(request: s.ListDeltasRequest, call: Call): Promise<Buffer> {
        const form = formats.form(request.format, request.includeOldValues);
        const scope = readable(call, 'read', request.contextId);
        const page = await projected(contexts.deltas(request.contextId, request.fromVersion, request), scope);
        if (!isFormatted(form)) return deltasResponse(page, form);
        const { whole } = form.format;
        const deltas = whole ? await contexts.wholeValues.all(page.deltas, whole, scope) : page.deltas;
        return formattedPage(cutTo(page, deltas), form);
      },

      async blameContext(request: s.BlameContextRequest, call: Call): Promise<s.BlameContextResponse> {
        const { contextId } = request;
        const paths = request.paths.map(({ keys }) => keys);
        const all = paths.length === 0 ? undefined : paths;
        const scope = call.rights && readable(call, 'read', contextId, fromPaths(request.paths));
        const page = await contexts.past.blame(contextId, scope ? scope.paths : all, request);
        call.usage?.owe(page.read);
        return toBlamed(page);
      },
    },
    streams: { watchContexts: (call) => watches.serve(call), waitContext: (call) => waits.serve(call) },
    maxBytes: { waitContext: WAIT_BYTES_MAX },
  };
}

/** A page with its deltas projected. */
async function projected(reading: Promise<DeltaPage>, scope: Projection | undefined): Promise<DeltaPage> {
  const page = await reading;
  if (!scope) return page;
  const deltas: DeltaPage['deltas'][number][] = [];
  for (const delta of page.deltas) deltas.push(await projectDelta(delta, scope));
  return { ...page, deltas };
}

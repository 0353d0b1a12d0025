/** SyncService. Its watch streams are in watch-streams.ts, its waits in waits.ts. */
import { cutTo } from '../../contexts/pagination.js';
import type { ContextService } from '../../contexts/service.js';
import { type Formats, isFormatted } from '../../contexts/sync/formats.js';
import { fit } from '../../contexts/sync/projection.js';
import * as s from '../../gen/chord/v1/sync_service.js';
import type { Call } from '../call.js';
import { deltasResponse, formattedPage, syncResponse } from '../codec/response-encoder.js';
import { fromPaths, toBlamed } from '../codec/sync-messages.js';
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
      syncContext(request: s.SyncContextRequest): Buffer | Promise<Buffer> {
        const { contextId, known } = request;
        const form = formats.form(request.format, request.includeOldValues);
        const interest = { scope: fromPaths(request.paths), form };
        const result = contexts.sync(contextId, known);
        if (interest.scope || form.format) {
          const fitting = Promise.resolve(result).then((later) => fit(later, interest, contexts.wholeValues));
          return fitting.then((later) => syncResponse(contextId, later, form));
        }
        if (!(result instanceof Promise)) return syncResponse(contextId, result, form);
        return result.then((later) => syncResponse(contextId, later, form));
      },

      async listDeltas(request: s.ListDeltasRequest): Promise<Buffer> {
        const form = formats.form(request.format, request.includeOldValues);
        const page = await contexts.deltas(request.contextId, request.fromVersion, request);
        if (!isFormatted(form)) return deltasResponse(page, form);
        const { whole } = form.format;
        return formattedPage(whole ? cutTo(page, await contexts.wholeValues.all(page.deltas, whole)) : page, form);
      },

      async blameContext(request: s.BlameContextRequest, call: Call): Promise<s.BlameContextResponse> {
        const paths = request.paths.map(({ keys }) => keys);
        const page = await contexts.past.blame(request.contextId, paths, request);
        call.usage?.owe(page.read);
        return toBlamed(page);
      },
    },
    streams: { watchContexts: (call) => watches.serve(call), waitContext: (call) => waits.serve(call) },
    maxBytes: { waitContext: WAIT_BYTES_MAX },
  };
}

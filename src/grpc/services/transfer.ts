/** TransferService. */
import * as t from '../../gen/chord/v1/transfer_service.js';
import type { Transfer } from '../../transfer/transfer.js';
import { toProgress, toTransferred } from '../codec/transfer-messages.js';
import type { ServedService } from '../served-service.js';
import { streaming } from '../server-streaming.js';

export function transferService(transfer: Transfer): ServedService {
  return {
    definition: t.TransferServiceService,
    unary: {
      async exportContext({ contextId, history }: t.ExportContextRequest): Promise<t.ExportContextResponse> {
        return { context: toTransferred(await transfer.export(contextId, history)) };
      },

      async restoreContext({ contextId, overwrite }: t.RestoreContextRequest): Promise<t.RestoreContextResponse> {
        return { context: toTransferred(await transfer.restore(contextId, overwrite)) };
      },
    },
    streams: streaming({
      async *exportContexts({ prefix, history }: t.ExportContextsRequest): AsyncGenerator<t.ExportContextsResponse> {
        for await (const each of transfer.exportAll(prefix, history)) yield { progress: toProgress(each) };
      },

      async *restoreContexts({
        prefix,
        overwrite,
      }: t.RestoreContextsRequest): AsyncGenerator<t.RestoreContextsResponse> {
        for await (const each of transfer.restoreAll(prefix, overwrite)) yield { progress: toProgress(each) };
      },
    }),
  };
}

/** CleanupService. */
import type { Sweeper } from '../../cleanup/sweeper.js';
import * as k from '../../gen/chord/v1/cleanup_service.js';
import { fromInterval, fromOptions, fromRun, toCleanupStatus, toResult } from '../codec/cleanup-messages.js';
import type { ServedService } from '../served-service.js';

export function cleanupService(cleanup: Sweeper): ServedService {
  return {
    definition: k.CleanupServiceService,
    unary: {
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
    },
  };
}

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

      async startCleanup({ interval, options }: k.StartCleanupRequest): Promise<k.StartCleanupResponse> {
        return { status: toCleanupStatus(await cleanup.start(fromInterval(interval), fromOptions(options))) };
      },

      async stopCleanup(): Promise<k.StopCleanupResponse> {
        return { status: toCleanupStatus(await cleanup.stop()) };
      },

      async updateCleanup({ interval, options, reset }: k.UpdateCleanupRequest): Promise<k.UpdateCleanupResponse> {
        const status = await cleanup.update(fromInterval(interval), fromOptions(options), reset);
        return { status: toCleanupStatus(status) };
      },

      async getCleanup(): Promise<k.GetCleanupResponse> {
        return { status: toCleanupStatus(await cleanup.current()) };
      },
    },
  };
}

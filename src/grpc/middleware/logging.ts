/**
 * Logs the outcome of calls. Server faults are warnings, denied and invalid calls are information, and ordinary
 * outcomes are debug lines. Warnings and information are rate-limited for each caller.
 */
import { status } from '@grpc/grpc-js';
import type { Logger } from 'pino';
import { LogRateLimit } from '../../observability/log-rate-limit.js';
import type { CallFor, End, Middleware } from '../call.js';
import { describeCall, pathOf, positionOf } from '../call-description.js';
import { callerOf } from '../caller.js';

const ORDINARY = new Set([status.OK, status.CANCELLED, status.NOT_FOUND, status.ABORTED, status.ALREADY_EXISTS]);
const TROUBLE = new Set([status.UNKNOWN, status.INTERNAL, status.UNAVAILABLE, status.DATA_LOSS]);

/** @param stopping whether streams end because the server stops, which is not a fault */
export function loggingMiddleware(log: Logger, stopping: () => boolean): Middleware {
  const limit = new LogRateLimit((left, caller) =>
    log.warn({ calls: left, ...caller }, 'more calls were refused or failed'),
  );
  return {
    enter() {},
    leave(call, end) {
      const { code } = end;
      if (ORDINARY.has(code) || (code === status.UNAVAILABLE && stopping())) {
        if (log.isLevelEnabled('debug')) log.debug(fields(call, end), 'call');
        return;
      }
      const trouble = TROUBLE.has(code);
      if (!log.isLevelEnabled(trouble ? 'warn' : 'info') || !limit.admits(callerOf(call))) return;
      if (trouble) log.warn(fields(call, end), 'call failed');
      else log.info(fields(call, end), 'call refused');
    },
  };
}

function fields(call: CallFor, { code, details, answer }: End): object {
  const { identity, method, startedAt, messagesSent, bytesSent, traceId } = call;
  return {
    ...{ method: pathOf(method), code: status[code], identity: identity.name, peer: call.getPeer() },
    ...describeCall(call),
    ...{ position: positionOf(method, answer), ms: Math.round((performance.now() - startedAt) * 100) / 100 },
    ...(messagesSent > 0 && { messagesSent, bytesSent }),
    ...(traceId && { traceId }),
    ...(details && { why: withoutContents(code, details) }),
  };
}

/**
 * Removes request content from the message of an invalid request; the name of the invalid field stands before the first
 * colon.
 */
export function withoutContents(code: status, details: string): string {
  return code === status.INVALID_ARGUMENT ? details.replace(/:.*/s, '') : details;
}

/**
 * Records in the audit log every write, every administrative call, and every refused call. While the audit log cannot
 * be written, only reads pass.
 */
import { status } from '@grpc/grpc-js';
import { ChordError } from '../../model/errors.js';
import { ID_BYTES_MAX } from '../../model/model.js';
import type { AuditLog } from '../../observability/audit.js';
import type { CallFor, End, Middleware } from '../call.js';
import { annotationsOf, describeCall, pathOf, positionOf, positionsOf } from '../call-description.js';
import { callerOf } from '../caller.js';
import { kindOf } from '../methods.js';
import { withoutContents } from './logging.js';

const RETRY_AFTER = 1000;
const NOT_ALLOWED = new Set([status.UNAUTHENTICATED, status.PERMISSION_DENIED]);

export function auditMiddleware(log: AuditLog): Middleware {
  return {
    enter({ method }) {
      if (log.writable || kindOf(method) === 'read') return;
      throw new ChordError('UNAVAILABLE', 'the audit log cannot be written: only reads are served', {
        retryAfter: RETRY_AFTER,
      });
    },
    leave(call, end) {
      if (call.admitted && !NOT_ALLOWED.has(end.code)) {
        if (kindOf(call.method) !== 'read') log.append(entry(call, end));
      } else if (end.code !== status.CANCELLED) log.appendRefusal(callerOf(call), () => entry(call, end));
    },
  };
}

let last = { at: 0, text: '' };

/**
 * Cached: formatting the time costs half as much as the rest of an entry, and many entries fall into the same
 * millisecond.
 */
function isoNow(): string {
  const at = Date.now();
  if (at !== last.at) last = { at, text: new Date(at).toISOString() };
  return last.text;
}

/** Undefined members are left out of the line. No spread objects: this runs for each write. */
function entry(call: CallFor, { code, details, answer }: End): object {
  const { method, identity, request, traceId } = call;
  const { requestId } = (request ?? {}) as { readonly requestId?: string };
  const { contextId, contextIds, prefix, targets } = describeCall(call);
  return {
    time: isoNow(),
    identity: identity.name,
    peer: call.getPeer(),
    method: pathOf(method),
    contextId,
    contextIds,
    prefix,
    targets,
    requestId: requestId?.slice(0, ID_BYTES_MAX) || undefined,
    annotations: annotationsOf(request),
    position: positionOf(method, answer),
    positions: positionsOf(method, answer),
    outcome: status[code],
    traceId,
    why: details && withoutContents(code, details),
  };
}

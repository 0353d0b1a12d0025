/** What all writes have in common: their checks, their refusals. */
import { ChordError } from '../../model/errors.js';
import { checkId, checkRequestId, checkTtl } from '../validation.js';
import { fingerprint } from './fingerprint.js';
import { requestName } from './idempotency.js';
import type { UpdateOptions, WriteRequest } from './writes.js';

/** Checks what all writes have in common. The fingerprint costs a pass over the request, so only a request that has an id gets one. */
export function ask(id: string, options: UpdateOptions, request: unknown): WriteRequest {
  checkId(id);
  const { expected, requestId, caller, ttl, returning, allowMissing } = options;
  if (requestId) checkRequestId(requestId);
  if (ttl !== undefined) checkTtl(ttl);
  const name = requestName(requestId, caller);
  return { expected, ttl, returning, allowMissing, name, fingerprint: name ? fingerprint(request) : '' };
}

/** The write was at fault, or met a state that it did not expect: nothing was stored. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ChordError && ['NOT_FOUND', 'ABORTED', 'INVALID_ARGUMENT'].includes(error.reason);
}

export type { WatchInterest } from '../sync/projection.js';

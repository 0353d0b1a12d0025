/** Checks and refusals that all writes have in common. */
import { ChordError } from '../../model/errors.js';
import { checkId, checkRequestId, checkTtl } from '../validation.js';
import { fingerprint } from './idempotency.js';
import type { UpdateOptions, WriteRequest } from './writes.js';

/** Checks the common options. The fingerprint costs a pass over the request, so only a request with an id gets one. */
export function ask(id: string, options: UpdateOptions, request: unknown): WriteRequest {
  checkId(id);
  const { expected, requestId, ttl, returning, allowMissing } = options;
  if (requestId) checkRequestId(requestId);
  if (ttl !== undefined) checkTtl(ttl);
  return { expected, requestId, ttl, returning, allowMissing, fingerprint: requestId ? fingerprint(request) : '' };
}

/** Whether the error is a refusal: an invalid write, or a state that the write did not expect. Nothing was stored. */
export function isRefusal(error: unknown): boolean {
  return error instanceof ChordError && ['NOT_FOUND', 'ABORTED', 'INVALID_ARGUMENT'].includes(error.reason);
}

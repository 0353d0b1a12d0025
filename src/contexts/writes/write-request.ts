/** Checks and refusals that all writes have in common. */
import { encodeProvenance } from '../../codec/provenance.js';
import { ChordError } from '../../model/errors.js';
import { checkId, checkRequestId, checkTtl } from '../validation.js';
import type { Room } from './budget.js';
import { checkLimits, guardOf } from './conditions.js';
import { fingerprint } from './fingerprint.js';
import { requestName } from './idempotency.js';
import type { Edit } from './mutations.js';
import type { UpdateOptions, WriteRequest } from './writes.js';

/**
 * Checks the common options. The fingerprint costs a pass over the request, so only a request with an id gets one. `edit`:
 * its splices are carried, where the write is guarded.
 */
export function ask(id: string, options: UpdateOptions, request: unknown, room: Room, edit?: Edit): WriteRequest {
  checkId(id);
  const { expected, requestId, caller = '', annotations, ttl, returning, allowMissing, within } = options;
  if (requestId) checkRequestId(requestId);
  if (ttl !== undefined) checkTtl(ttl);
  checkLimits(expected, room);
  const name = requestName(requestId, caller);
  const guard = guardOf(expected, edit);
  const provenance = encodeProvenance(caller, annotations);
  // What is remembered of requests without annotations stays what it was.
  const print = name ? fingerprint(annotations ? [request, annotations] : request) : '';
  return {
    expected,
    ttl,
    returning,
    allowMissing,
    within,
    name,
    fingerprint: print,
    guard,
    provenance,
    parts: partsIn(room),
  };
}

/** The members and elements that were counted. */
export function partsIn({ members, max, elements }: Room): number {
  return max - members + elements;
}

/**
 * Whether the error is a refusal: an invalid write, or a state that the write did not expect, or where it would change more
 * than it may. Nothing was stored.
 */
export function isRefusal(error: unknown): boolean {
  const refusals = ['NOT_FOUND', 'ABORTED', 'INVALID_ARGUMENT', 'PERMISSION_DENIED'];
  return error instanceof ChordError && refusals.includes(error.reason);
}

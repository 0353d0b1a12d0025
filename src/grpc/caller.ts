/**
 * The caller that a limited budget (log lines, audit entries) is kept for, so that one caller cannot use up the budget
 * of others.
 */

import type { Caller } from '../observability/log-rate-limit.js';
import { networkOf } from '../observability/network-address.js';
import type { CallFor } from './call.js';

/** The identity of the caller; for a call without an identity, its network address. */
export function callerOf(call: CallFor): Caller {
  const { kind, name } = call.identity;
  return kind === 'anonymous' ? { address: networkOf(call.getPeer().replace(/:\d+$/, '')) } : { identity: name };
}

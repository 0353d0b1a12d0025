/** Who makes a call, for budgets that nobody may use up for others. */

import type { Caller } from '../observability/log-rate-limit.js';
import { networkOf } from '../observability/network-address.js';
import type { CallFor } from './call.js';

/** Its identity, or where it has shown none, where it comes from. */
export function callerOf(call: CallFor): Caller {
  const { kind, name } = call.identity;
  return kind === 'anonymous' ? { address: networkOf(call.getPeer().replace(/:\d+$/, '')) } : { identity: name };
}

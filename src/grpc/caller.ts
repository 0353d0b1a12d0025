/** Who makes a call, for budgets that nobody may use up for others. */
import { networkOf } from '../observe/address.js';
import type { Caller } from '../observe/limit.js';
import type { Call } from './edge.js';

/** Its identity, or where it has shown none, where it comes from. */
export function callerOf(call: Call): Caller {
  const { kind, name } = call.identity;
  return kind === 'anonymous' ? { address: networkOf(call.getPeer().replace(/:\d+$/, '')) } : { identity: name };
}

/** The stage that charges each call to its identity and its connection. */
import type { BatchWriteRequest } from '../../gen/chord/v1/context_service.js';
import type { WatchContextsRequest } from '../../gen/chord/v1/sync_service.js';
import type { QuotaNeed } from '../../quota/account.js';
import type { Quotas } from '../../quota/quotas.js';
import { sizeOf } from '../codec/request-decoding.js';
import type { Call, Middleware } from '../pipeline.js';

/** Comes behind `decoded`, and behind whatever knows who calls. */
export function charge(quotas: Quotas): Middleware {
  return {
    enter(call) {
      call.usage = quotas.admit(call.identity.name, call.connection, needOf(call));
    },
    leave(call, { answer }) {
      if (answer instanceof Uint8Array) call.usage?.owe(answer.length);
      call.usage?.end();
    },
  };
}

/** How many writes a call is. What is not named here is none. */
export const WRITES: { readonly [method: string]: (request: never) => number } = {
  SetContext: one,
  UpdateContext: one,
  RevertContext: one,
  DeleteContext: one,
  TouchContext: one,
  BatchWrite: ({ writes }: BatchWriteRequest) => writes.length,
  RestoreContext: one,
  // Of nobody knows how many contexts: who may restore is trusted with it.
  RestoreContexts: one,
};

function one(): number {
  return 1;
}

function needOf({ method, request }: Call): QuotaNeed {
  return {
    calls: method.streams ? 0 : 1,
    streams: method.streams ? 1 : 0,
    subscriptions: method.name === 'WatchContexts' ? (request as WatchContextsRequest).subscriptions.length : 0,
    writesPerSecond: WRITES[method.name]?.(request as never) ?? 0,
    bytesPerSecond: sizeOf(request),
  };
}

/** Charges each call to its identity and its connection. */
import type { WatchContextsRequest } from '../../gen/chord/v1/sync_service.js';
import type { QuotaNeed } from '../../quota/account.js';
import type { Quotas } from '../../quota/quotas.js';
import type { CallFor, Middleware } from '../call.js';
import { policyOf } from '../methods.js';

/** Runs after decoding and authentication. */
export function charge(quotas: Quotas): Middleware<'usage'> {
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

/** A wait follows one context. */
function subscriptionsOf(name: string, request: unknown): number {
  if (name === 'WatchContexts') return (request as WatchContextsRequest).subscriptions.length;
  return name === 'WaitContext' ? 1 : 0;
}

function needOf({ method, request, requestBytes }: CallFor): QuotaNeed {
  return {
    calls: method.streams ? 0 : 1,
    streams: method.streams ? 1 : 0,
    subscriptions: subscriptionsOf(method.name, request),
    writesPerSecond: policyOf(method)?.writes?.(request as never) ?? 0,
    bytesPerSecond: requestBytes,
  };
}

/** The outermost middleware: counts every call and measures its duration. */
import type { Calls } from '../../observability/calls.js';
import type { CallFor, Middleware } from '../call.js';
import { contextIdsOf } from '../call-description.js';
import { kindOf } from '../methods.js';

export function metricsMiddleware(calls: Calls): Middleware<'startedAt'> {
  return {
    enter(call) {
      call.startedAt = performance.now();
      calls.of(call.method).inFlight++;
    },
    leave(call, { code }) {
      const ofMethod = calls.of(call.method);
      ofMethod.inFlight--;
      ofMethod.byCode[code]! += 1;
      if (!call.admitted) calls.refused[code]! += 1;
      else if (calls.heats.size > 0) warm(calls, call);
      if (!call.method.streams) ofMethod.seconds.observe((performance.now() - call.startedAt) / 1000);
    },
  };
}

function warm({ heats }: Calls, call: CallFor): void {
  const writes = kindOf(call.method) === 'write';
  for (const id of contextIdsOf(call)) for (const heat of heats) heat.add(id, writes);
}

/** The outermost stage: counts every call, and how long it took. */
import type { Calls } from '../observe/calls.js';
import type { Stage } from './edge.js';

export function measured(calls: Calls): Stage {
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
      if (!call.method.streams) ofMethod.seconds.observe((performance.now() - call.startedAt) / 1000);
    },
  };
}

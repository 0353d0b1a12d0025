/** Waiting for what no check says: a predicate of a document, which a watch brings. */
import { applied } from './apply.js';
import { status } from './codes.js';
import { ChordError, cancelled, closed } from './errors.js';
import { freeze, type JsonObject } from './json.js';
import type { ReplicaDocument } from './model.js';
import { sleepMax } from './timers.js';
import type { Watch } from './watch.js';

/**
 * @param watch of one context; closed at the end
 * @param deadline milliseconds
 * @throws ChordError, and what the predicate throws
 */
export async function until(
  watch: Watch,
  holds: (value: JsonObject | undefined) => boolean,
  deadline: number | undefined,
  signal: AbortSignal | undefined,
): Promise<ReplicaDocument | undefined> {
  let late = false;
  const overdue = () => {
    late = true;
    void watch.close();
  };
  const timer = deadline === undefined ? undefined : setTimeout(overdue, sleepMax(deadline));
  let document: ReplicaDocument | undefined;
  try {
    for await (const event of watch) {
      if (event.type === 'caughtUp') continue;
      if (event.type === 'full') {
        document = { value: freeze(event.value), position: event.position };
      } else if (event.type === 'delta') {
        const value = applied(event.changes, document?.value);
        if (!value) {
          watch.resync([event]);
          continue;
        }
        document = { value, position: event.to };
      } else {
        document = undefined;
      }
      if (holds(document?.value)) return document;
    }
  } finally {
    clearTimeout(timer);
  }
  if (late) {
    throw new ChordError('DEADLINE_EXCEEDED', 'the predicate did not hold in time', status.DEADLINE_EXCEEDED);
  }
  throw signal?.aborted ? cancelled() : closed('client');
}

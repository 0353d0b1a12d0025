/** Passes the commits of other servers to the lanes in memory and to watchers. */
import type { FeedEvent } from '../store/store.js';
import { type CommitEvent, deltaOf } from './events.js';
import type { Lane } from './lane/lane.js';
import type { Lanes } from './lane/lanes.js';

/** Where the store is looked at for it: promises that resolve when watchers are told. */
export function hear(event: FeedEvent, lanes: Lanes, publish: (event: CommitEvent) => void): Promise<void>[] {
  switch (event.kind) {
    case 'gap': {
      const looks = [...lanes.all()].map((lane) => lane.distrust());
      publish(event);
      return looks;
    }
    case 'removed': {
      const looks = distrust(lanes.peek(event.id));
      publish({ kind: 'removed', id: event.id, reason: event.reason });
      return looks;
    }
    case 'moved': {
      const looks = distrust(lanes.peek(event.id));
      publish({ kind: 'reset', id: event.id });
      return looks;
    }
    case 'batch':
      // First of all: events that a lane publishes for one of these contexts then belong to the batch.
      publish({ kind: 'batch', events: event.ids.map((id) => ({ kind: 'reset', id })) });
      return event.ids.flatMap((id) => distrust(lanes.peek(id)));
    case 'committed': {
      const { id, record } = event;
      const from = event.from ?? { epoch: record.position.epoch, version: 0, digest: '' };
      // The size of the document is not available here: the receiver compares the sizes.
      const delta = { ...deltaOf(id, from, record), large: true };
      const lane = lanes.peek(id);
      if (!lane) {
        publish({ kind: 'delta', id, delta });
        return [];
      }
      const look = lane.offer(delta);
      return look === undefined ? [] : [look];
    }
  }
}

function distrust(lane: Lane | undefined): Promise<void>[] {
  return lane?.live ? [lane.distrust()] : [];
}

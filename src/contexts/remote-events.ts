/** Passes the commits of other servers to the lanes in memory and to watchers. */
import type { FeedEvent } from '../store/store.js';
import type { CommitEvent } from './events.js';
import type { Lane } from './lane/lane.js';
import type { Lanes } from './lane/lanes.js';

export function hear(event: FeedEvent, lanes: Lanes, publish: (event: CommitEvent) => void): void {
  switch (event.kind) {
    case 'gap':
      for (const lane of lanes.all()) lane.distrust();
      publish(event);
      break;
    case 'removed':
      distrust(lanes.peek(event.id));
      publish({ kind: 'removed', id: event.id, reason: event.reason });
      break;
    case 'moved':
      distrust(lanes.peek(event.id));
      publish({ kind: 'reset', id: event.id });
      break;
    case 'batch':
      // First of all: events that a lane publishes for one of these contexts then belong to the batch.
      publish({ kind: 'batch', events: event.ids.map((id) => ({ kind: 'reset', id })) });
      for (const id of event.ids) distrust(lanes.peek(id));
      break;
    case 'committed': {
      const { id, record } = event;
      const from = event.from ?? { epoch: record.position.epoch, version: 0, digest: '' };
      // The size of the document is not available here: the receiver compares the sizes.
      const delta = { id, from, to: record.position, payload: record, at: record.at, large: true };
      const lane = lanes.peek(id);
      if (lane) lane.offer(delta);
      else publish({ kind: 'delta', id, delta });
    }
  }
}

function distrust(lane: Lane | undefined): void {
  if (lane?.live) lane.distrust();
}

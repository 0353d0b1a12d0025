/** Counts of the messages that watch streams were sent. */
import type { FullReason } from '../contexts/events.js';
import type { WatchEvent } from '../watch/subscription.js';

export class Deliveries {
  /** Deltas of one version, mostly as committed. */
  deltas = 0;
  /** Merged deltas of several versions: the reader was slow or away. */
  merged = 0;
  /** Versions that merging saved. */
  versionsMerged = 0;
  bytes = 0;
  readonly documents: Record<FullReason, number> = {
    ...{ initial: 0, epoch_changed: 0, ahead: 0, diverged: 0, history_truncated: 0, delta_larger: 0 },
  };
  readonly signs = { deleted: 0, absent: 0, caught_up: 0, heartbeat: 0 };

  count(event: WatchEvent, bytes: number): void {
    this.bytes += bytes;
    if (event.kind === 'delta') {
      const more = event.delta.to.version - event.delta.from.version - 1;
      if (more === 0) {
        this.deltas++;
      } else {
        this.merged++;
        this.versionsMerged += more;
      }
    } else if (event.kind === 'full') this.documents[event.reason]++;
    else this.signs[event.kind]++;
  }
}

/** Documents of a replica in components of React: `import { useDocument } from 'chordstate/react'`. */
import { useCallback, useSyncExternalStore } from 'react';
import type { JsonObject } from './json.js';
import type { LiveCopy, ReplicaEvents } from './replica.js';

type Name = 'change' | 'disconnect' | 'caughtUp';

/** A replica, on Node or in a browser. */
type Followed = LiveCopy & {
  on<K extends Name>(name: K, listener: (...args: ReplicaEvents[K]) => void): unknown;
  off<K extends Name>(name: K, listener: (...args: ReplicaEvents[K]) => void): unknown;
};

/**
 * The document of a context now; undefined where there is none, or none has come yet. The component renders again when
 * this document changes, and for no other. What did not change within it is the same object as before.
 */
export function useDocument<T = JsonObject>(replica: Followed, contextId: string): T | undefined {
  const subscribe = useCallback(
    (changed: () => void) => {
      const listener = (change: { readonly contextId: string }) => {
        if (change.contextId === contextId) changed();
      };
      replica.on('change', listener);
      return () => void replica.off('change', listener);
    },
    [replica, contextId],
  );
  const read = () => replica.get(contextId) as T | undefined;
  return useSyncExternalStore(subscribe, read, read);
}

/** Whether the copy is connected, and caught up since. */
export function useLive(replica: Followed): boolean {
  const subscribe = useCallback(
    (changed: () => void) => {
      const names = ['disconnect', 'caughtUp'] as const;
      for (const name of names) replica.on(name, changed);
      return () => {
        for (const name of names) replica.off(name, changed);
      };
    },
    [replica],
  );
  const read = () => replica.live;
  return useSyncExternalStore(subscribe, read, read);
}

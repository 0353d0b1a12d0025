/** Stores whose commits can be held and made to fail, and several on one memory store that hear of one another. */
import { ChordError } from '../../src/model/errors.js';
import type { Position } from '../../src/model/model.js';
import { openMemory } from '../../src/store/memory.js';
import type { BatchOperation, Commit, Feed, FeedEvent, Removal, Store } from '../../src/store/store.js';

/** `lost`: fails and was not written. `unanswered`: fails, but was written. */
export type Fault = 'lost' | 'unanswered' | undefined;

/** A memory store on which each write waits for its turn while the store is held. */
export function controlled(inner: Store = openMemory()) {
  const waiting: (() => void)[] = [];
  const control = { held: false, faults: [] as Fault[], waiting, release };
  function release(count = waiting.length): void {
    for (const go of waiting.splice(0, count)) go();
  }
  async function write<T>(run: () => Promise<T>): Promise<T> {
    const fault = control.faults.shift();
    if (control.held) await new Promise<void>((resolve) => waiting.push(resolve));
    if (fault !== 'lost') {
      const outcome = await run();
      if (!fault) return outcome;
    }
    throw new ChordError('UNAVAILABLE', 'the store is away');
  }
  const store = over(inner, {
    commit: (commit: Commit) => write(() => inner.commit(commit)),
    remove: (removal: Removal) => write(() => inner.remove(removal)),
    commitBatch: (operations: readonly BatchOperation[]) => write(() => inner.commitBatch!(operations)),
  });
  return { control, store };
}

/** What becomes of a message to another server. */
export type Fate = 'arrives' | 'lost' | 'late' | 'twice';

/** Stores for `count` servers on one memory store; each hears of the others' commits, as `fate` will have it. */
export function shared(count: number, fate: () => Fate = () => 'arrives') {
  const inner = openMemory();
  const listeners: ((event: FeedEvent) => void)[] = [];
  const tell = (from: number, event: FeedEvent) => {
    listeners.forEach((listener, to) => {
      if (to === from) return;
      const what = fate();
      if (what === 'arrives' || what === 'twice') queueMicrotask(() => listener(event));
      if (what === 'late' || what === 'twice') setImmediate(() => listener(event));
    });
  };
  const stores = Array.from({ length: count }, (_, index) => {
    const feed: Feed = {
      listen: (listener) => {
        listeners[index] = listener;
      },
      watchId: async () => {},
      unwatchId: () => {},
      watchPrefix: async () => {},
      unwatchPrefix: () => {},
    };
    return over(inner, {
      cluster: {
        feed,
        heads: async (ids) => new Map(await Promise.all(ids.map(async (id) => [id, await inner.head(id)] as const))),
        apart: () => [],
        lease: async () => true,
      },
      commit: async (commit: Commit) => {
        const outcome = await inner.commit(commit);
        if (outcome.kind === 'committed' && commit.payload) tell(index, committed(commit));
        return outcome;
      },
      remove: async (removal: Removal) => {
        const outcome = await inner.remove(removal);
        const { id, reason, expected: position } = removal;
        if (outcome.kind === 'committed' && position) tell(index, { kind: 'removed', id, reason, position });
        return outcome;
      },
      commitBatch: async (operations: readonly BatchOperation[]) => {
        const outcome = await inner.commitBatch!(operations);
        if (outcome.kind === 'committed') tell(index, { kind: 'batch', ids: operations.map(({ id }) => id) });
        return outcome;
      },
    });
  });
  return { stores, gap: () => listeners.forEach((listener) => void listener({ kind: 'gap' })) };
}

function committed({ id, expected, head, payload }: Commit): FeedEvent {
  const record = { position: head.position, at: head.updatedAt, ...payload! };
  return { kind: 'committed', id, from: expected as Position | null, record };
}

/** The store with some members replaced. */
export function over(inner: Store, changed: Partial<Store>): Store {
  return new Proxy(inner, {
    get(target, key) {
      if (key in changed) return changed[key as keyof Store];
      const member = Reflect.get(target, key, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

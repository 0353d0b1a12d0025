/** Promises 5 and 6 of the store contract for merged records. Only of stores that thin. */
import { deepEqual, equal } from 'node:assert/strict';
import type { LogRecord, MergedRecord, Store } from '../store/store.js';
import { commitOf, numbered, plain, positionAt, recordOf, write } from './commits.js';
import { law } from './law.js';
import type { StoreLaw } from './store-subject.js';

const snapshot = Buffer.from('document');

/** A record that stands for the versions after `base` up to `version`. */
export function mergedAt(base: number, version: number): MergedRecord {
  const merged = { base: positionAt(base), seal: `${base}-${version}` };
  return { position: positionAt(version), at: 1_000 + version, ...numbered(version * 100), merged };
}

export const thinning: readonly StoreLaw[] = [
  law(
    '5. thin replaces records by merged ones, and each still leads on from the one before',
    async ({ store, reopen }) => {
      if (!store.thin) return;
      const { all, head } = await written(store, 'a', 20);
      const next = { id: 'a', next: 1_500, head };
      equal(await store.thin({ ...next, merged: [mergedAt(2, 6), mergedAt(7, 10)] }), true);
      const rest = [...all.slice(0, 2), mergedAt(2, 6), all[6]!, mergedAt(7, 10), ...all.slice(10)];
      const see = async (from: Store, records: readonly LogRecord[]) => {
        const deltas = async (after: number, limit: number, maxBytes?: number) => {
          const history = await from.deltas('a', after, limit, maxBytes);
          return history.kind === 'records' ? plain(history.records) : history;
        };
        for (let after = 0; after <= 21; after++) {
          const later = records.filter(({ position }) => position.version > after);
          const oldest = records[0]!.position.version;
          deepEqual(
            await deltas(after, 100),
            after < oldest - 1 ? { kind: 'truncated', oldest } : plain(later),
            `${after}`,
          );
        }
        const oldest = records[0]!.position.version;
        deepEqual(await deltas(oldest - 1, 3), plain(records.slice(0, 3)));
        const bytes = records.slice(0, 2).reduce((sum, { changes, olds }) => sum + changes.length + olds.length, 0);
        deepEqual(await deltas(oldest - 1, 100, bytes), plain(records.slice(0, 2)));
        deepEqual(await from.due('length', -1, 9), [{ id: 'a', key: -records.length }]);
      };
      await see(store, rest);
      const again = reopen ? await reopen() : store;
      await see(again, rest);
      deepEqual(
        plain(await again.load('a')),
        plain({ head, snapshot: { version: 18, bytes: snapshot }, records: all.slice(18) }),
      );

      // Merged records are merged again.
      equal(await again.thin!({ ...next, merged: [mergedAt(2, 10)] }), true);
      await see(again, [...all.slice(0, 2), mergedAt(2, 10), ...all.slice(10)]);
      // A trim in a gap takes the records before it alone, and counts records.
      equal(await again.trim('a', 5), 2);
      await see(again, [mergedAt(2, 10), ...all.slice(10)]);
      equal(await again.trim('a', 10), 1);
      await see(again, all.slice(10));
      equal(await again.trim('a', 99), 8, 'up to the snapshot');
      await see(again, all.slice(18));
    },
  ),

  law('6. thin replaces nothing that is not covered, or not retained at that very position', async ({ store }) => {
    if (!store.thin) return;
    const { all, head } = await written(store, 'a', 20);
    await store.trim('a', 2);
    const good = mergedAt(6, 10);
    const base = (version: number, line = '') => ({ ...good.merged, base: positionAt(version, line) });
    for (const [why, merged] of Object.entries({
      'above the snapshot': mergedAt(6, 19),
      'its base is trimmed': { ...good, merged: base(2) },
      'its base is another one': { ...good, merged: base(6, 'other') },
      'its base is behind it': { ...good, merged: base(11) },
      'its position is another one': { ...good, position: positionAt(10, 'other') },
    })) {
      for (const list of [[merged], [mergedAt(3, 5), merged]]) {
        equal(await store.thin({ id: 'a', next: 5, head, merged: list }), false, why);
      }
    }
    equal(await store.thin({ id: 'nowhere', next: 5, head, merged: [] }), false);
    const other = { ...head, position: { ...head.position, epoch: 'second' } };
    equal(await store.thin({ id: 'a', next: 5, head: other, merged: [] }), false, 'another life');
    equal(await store.thin({ id: 'a', next: 5, head, merged: [good] }), true);
    equal(await store.thin({ id: 'a', next: 5, head, merged: [mergedAt(8, 12)] }), false, 'its base is merged away');
    const rest = [...all.slice(2, 6), good, ...all.slice(10)];
    deepEqual(plain(await store.deltas('a', 2, 100)), plain({ kind: 'records', records: rest }));
  }),

  law('due: age goes by what thin has set, until an earlier record, a trim or another life', async ({ store }) => {
    if (!store.thin) return;
    const { head } = await written(store, 'a', 20);
    const age = async () => (await store.due('age', 9_000, 9)).map(({ key }) => key);
    const thin = { id: 'a', merged: [] };
    deepEqual(await age(), [1_001]);
    equal(await store.thin({ ...thin, head, next: 5_000 }), true);
    deepEqual(await age(), [5_000]);
    equal(await store.thin({ ...thin, head, next: 1_010 }), true);
    deepEqual(await age(), [1_010], 'an earlier one');
    equal(await store.thin({ ...thin, head, next: 5_000 }), true);
    await store.commit(commitOf('a', positionAt(20), { payload: null, touchedAt: 1_019 }));
    deepEqual(await age(), [5_000], 'a touch is no record');
    await write(store, 'a', 22, 20);
    deepEqual(await age(), [1_021], 'the first record since');
    equal(await store.thin({ ...thin, head, next: 5_000 }), true);
    deepEqual(await age(), [1_020], 'of what was written meanwhile the caller knows nothing');
    equal(await store.trim('a', 3), 3);
    deepEqual(await age(), [1_004]);
    const now = (await store.head('a'))!;
    equal(await store.thin({ ...thin, head: now, next: 5_000 }), true);
    equal((await store.remove({ id: 'a', expected: now.position, reason: 'deleted' })).kind, 'committed');
    await write(store, 'a', 2);
    deepEqual(await age(), [1_001]);
  }),
];

/** A context with a snapshot at version `to` - 2. */
async function written(store: Store, id: string, to: number) {
  const commits = await write(store, id, to, 0, (i) => (i === to - 3 ? { snapshot } : {}));
  return { all: commits.map(recordOf), head: commits.at(-1)!.head };
}

/** Random changes, valid by themselves and of no particular document; and the generated messages that say the same. */
import fc from 'fast-check';
import type { Change } from '../../src/delta/types.js';
import { ChangeAction, type Change as ProtoChange } from '../../src/gen/chord/v1/model.js';
import { jsonValue } from './arbitrary.js';

const path = fc.array(fc.string({ unit: 'binary', maxLength: 20 }), { minLength: 1, maxLength: 4 });
const values = fc.array(jsonValue, { maxLength: 4 });
const text = fc.string({ unit: 'binary', maxLength: 20 });
const index = fc.nat(2 ** 32 - 1);

const plain = { noNullPrototype: true } as const;
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ action: fc.constant('added' as const), path, value: jsonValue }, plain),
  fc.record({ action: fc.constant('modified' as const), path, value: jsonValue, old: jsonValue }, plain),
  fc.record({ action: fc.constant('removed' as const), path, old: jsonValue }, plain),
  fc
    .record({ action: fc.constant('spliced' as const), path, index, removed: values, inserted: values })
    .map((splice) => ({ ...splice, removedCount: splice.removed.length })),
  fc
    .record({
      action: fc.constant('text_spliced' as const),
      path,
      index,
      removed: text,
      inserted: text,
      oldBytes: index,
    })
    .map((splice) => ({ ...splice, removedCount: [...splice.removed].length })),
);
/** The changes of a delta, with their old values. */
export const deltaChanges: fc.Arbitrary<Change[]> = fc.array(change, { maxLength: 6 });

/** A change as the generated code wants it. */
export function toProto(one: Change): ProtoChange {
  const kind = one.action === 'text_spliced' ? 'spliced' : one.action;
  const action = ChangeAction[kind.toUpperCase() as keyof typeof ChangeAction];
  const base = { path: [...one.path], action, value: undefined, oldValue: undefined, splice: undefined };
  switch (one.action) {
    case 'added':
      return { ...base, value: one.value };
    case 'modified':
      return { ...base, value: one.value, oldValue: one.old };
    case 'removed':
      return { ...base, oldValue: one.old };
    case 'spliced': {
      const { index, removedCount, removed = [], inserted } = one;
      return { ...base, splice: { index, removedCount, removed: [...removed], inserted: [...inserted] } };
    }
    case 'text_spliced': {
      const { index, removedCount, removed = '', inserted } = one;
      return { ...base, textSplice: { index, removedCount, removed, inserted } };
    }
  }
}

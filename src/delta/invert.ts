import { known } from './mismatch.js';
import { bytesAfter, codePoints } from './text.js';
import type { Change, Changes } from './types.js';

/** The changes that undo the given changes, which must carry their old values: throws DeltaMismatch. */
export function invert(changes: Changes): Change[] {
  return changes.map(invertOne).reverse();
}

function invertOne(change: Change): Change {
  const { path } = change;
  switch (change.action) {
    case 'added':
      return { action: 'removed', path, old: change.value };
    case 'removed':
      return { action: 'added', path, value: known(change.old, change) };
    case 'modified':
      return { action: 'modified', path, value: known(change.old, change), old: change.value };
    case 'spliced': {
      const { index, inserted } = change;
      const removed = known(change.removed, change);
      return { action: 'spliced', path, index, removedCount: inserted.length, removed: inserted, inserted: removed };
    }
    case 'text_spliced': {
      const { action, index, inserted } = change;
      const removed = known(change.removed, change);
      const splice = { action, path, index, removedCount: codePoints(inserted), removed: inserted, inserted: removed };
      return change.oldBytes === undefined ? splice : { ...splice, oldBytes: bytesAfter(change.oldBytes, change) };
    }
  }
}

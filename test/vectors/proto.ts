/** Changes as protobuf messages, old values included. */
import type { Change as Changed } from '../../src/delta/index.js';
import { type Change, ChangeAction } from '../../src/gen/chord/v1/model.js';

const ACTIONS = {
  added: ChangeAction.ADDED,
  modified: ChangeAction.MODIFIED,
  removed: ChangeAction.REMOVED,
  spliced: ChangeAction.SPLICED,
  text_spliced: ChangeAction.SPLICED,
};

export function toProto(change: Changed): Change {
  const message: Change = {
    path: [...change.path],
    action: ACTIONS[change.action],
    value: undefined,
    oldValue: undefined,
    splice: undefined,
  };
  if ('value' in change) message.value = change.value;
  if ('old' in change) message.oldValue = change.old;
  if (change.action === 'spliced') {
    const { index, removedCount, removed = [], inserted } = change;
    message.splice = { index, removedCount, removed: [...removed], inserted: [...inserted] };
  }
  if (change.action === 'text_spliced') {
    const { index, removedCount, removed = '', inserted } = change;
    message.textSplice = { index, removedCount, removed, inserted };
  }
  return message;
}

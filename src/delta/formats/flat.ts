import type { Json, JsonObject } from '../../model/model.js';
import { DeltaMismatch } from '../mismatch.js';
import { type Change, pathLength } from '../types.js';
import type { Format } from './format.js';

/**
 * A flat list with one entry per change: `{ key_path, action, value, old_value, context_id }`. The action is `added`,
 * `modified` or `removed`. An entry of a removal has no `value`; an entry of an addition has no `old_value`, and neither
 * has any entry where the client did not request old values.
 */
export const flat: Format = {
  wholeLists: true,
  bytesAtLeast({ contextId, changes }) {
    let bytes = 0;
    for (const { path } of changes) bytes += contextId.length + pathLength(path);
    return bytes;
  },
  format: ({ contextId, changes, oldValues }) => changes.map((change) => entry(contextId, change, oldValues)),
};

function entry(contextId: string, change: Change, oldValues: boolean): Json {
  const { action, path } = change;
  if (action === 'spliced' || action === 'text_spliced') {
    throw new DeltaMismatch(path, 'a splice where the whole value is needed');
  }
  const made: JsonObject = { key_path: [...path], action };
  if (action !== 'removed') made.value = change.value;
  if (action !== 'added' && oldValues && change.old !== undefined) made.old_value = change.old;
  made.context_id = contextId;
  return made;
}

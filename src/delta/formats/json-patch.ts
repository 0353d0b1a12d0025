import type { Json, JsonObject } from '../../model/model.js';
import { DeltaMismatch } from '../mismatch.js';
import { type Change, type Path, pathLength, type Spliced } from '../types.js';
import type { Format } from './format.js';

/**
 * RFC 6902: a list of operations `add`, `replace` and `remove`. With old values, a `test` of the old value comes before
 * each `replace` and `remove`, so that the patch applies to no document but the one that the patch was made for. It has no
 * operation for a part of a string.
 */
export const jsonPatch: Format = {
  bytesAtLeast({ changes, oldValues }) {
    let bytes = 0;
    for (const change of changes) bytes += count(change, oldValues) * (OPERATION_BYTES + pathLength(change.path));
    return bytes;
  },
  format: ({ changes, oldValues }) => changes.flatMap((change) => operations(change, oldValues)),
};

/** Bytes of an operation beside its path and value, at least: the member names and the operation name. */
const OPERATION_BYTES = 20;

/** The number of operations that `operations` makes. */
function count(change: Change, tests: boolean): number {
  if (change.action === 'text_spliced') return 1;
  if (change.action !== 'spliced') return tests && change.action !== 'added' && change.old !== undefined ? 2 : 1;
  const { removedCount, removed, inserted } = change;
  return Math.max(removedCount, inserted.length) + (tests && removed ? removedCount : 0);
}

function operations(change: Change, tests: boolean): JsonObject[] {
  const path = pointer(change.path);
  switch (change.action) {
    case 'added':
      return [{ op: 'add', path, value: change.value }];
    case 'modified':
      return [...tested(path, change.old, tests), { op: 'replace', path, value: change.value }];
    case 'removed':
      return [...tested(path, change.old, tests), { op: 'remove', path }];
    case 'spliced':
      return splice(path, change, tests);
    case 'text_spliced':
      throw new DeltaMismatch(change.path, 'a splice in place of the whole string');
  }
}

/** Replaces elements pairwise; the surplus is removed or added behind the replaced elements. */
function splice(list: string, { index, removedCount, removed, inserted }: Spliced, tests: boolean): JsonObject[] {
  const made: JsonObject[] = [];
  const replaced = Math.min(removedCount, inserted.length);
  for (let i = 0; i < replaced; i++) {
    const path = `${list}/${index + i}`;
    made.push(...tested(path, removed?.[i], tests), { op: 'replace', path, value: inserted[i] as Json });
  }
  for (let i = replaced; i < removedCount; i++) {
    const path = `${list}/${index + replaced}`;
    made.push(...tested(path, removed?.[i], tests), { op: 'remove', path });
  }
  for (let i = replaced; i < inserted.length; i++) {
    made.push({ op: 'add', path: `${list}/${index + i}`, value: inserted[i] as Json });
  }
  return made;
}

function tested(path: string, old: Json | undefined, tests: boolean): JsonObject[] {
  return tests && old !== undefined ? [{ op: 'test', path, value: old }] : [];
}

/** RFC 6901. */
function pointer(path: Path): string {
  return path.map((key) => `/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
}

/** Which places of a document the last delta changed, for the rows that show them. */
import type { Change, Path } from '../../../clients/typescript/src/model.js';

/** More changes are marked as one of the whole document. */
const CHANGES_MAX = 2000;
/** Of a splice, that many elements are marked. */
const ELEMENTS_MAX = 100;

/** `changed`: the value is new; `inside`: something in it is. */
export type Mark = 'changed' | 'inside';
export type Marks = ReadonlyMap<string, Mark>;

export const NO_MARKS: Marks = new Map();

export function placeOf(path: Path): string {
  return JSON.stringify(path);
}

export function marksOf(changes: readonly Change[]): Marks {
  if (changes.length > CHANGES_MAX) return new Map([[placeOf([]), 'changed']]);
  const marks = new Map<string, Mark>();
  const mark = (path: Path) => {
    for (let length = 0; length < path.length; length++) {
      const above = placeOf(path.slice(0, length));
      if (!marks.has(above)) marks.set(above, 'inside');
    }
    marks.set(placeOf(path), 'changed');
  };
  for (const change of changes) {
    if (change.action === 'removed') mark(change.path.slice(0, -1));
    else if (change.action === 'spliced' && change.inserted.length > 0) {
      const count = Math.min(change.inserted.length, ELEMENTS_MAX);
      for (let i = 0; i < count; i++) mark([...change.path, String(change.index + i)]);
    } else mark(change.path);
  }
  return marks;
}

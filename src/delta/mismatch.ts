/** A change that does not fit: what it needs is not in the document, or an old value that it should carry is not there. */
import type { Change, Path } from './types.js';

export class DeltaMismatch extends Error {
  constructor(
    readonly path: Path,
    what: string,
  ) {
    super(`${JSON.stringify(path)}: ${what}`);
    this.name = 'DeltaMismatch';
  }
}

/** The old value or removed elements of a change. Throws where the change was sent without them. */
export function known<T>(old: T | undefined, change: Change): T {
  if (old === undefined) throw new DeltaMismatch(change.path, `${change.action} without its old value`);
  return old;
}

/** The error of a change that does not fit: the document lacks what the change needs, or the change lacks its old value. */
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

/** The old value or the removed elements of a change. Throws where the change does not carry them. */
export function known<T>(old: T | undefined, change: Change): T {
  if (old === undefined) throw new DeltaMismatch(change.path, `${change.action} without its old value`);
  return old;
}

/** When the members of a document expire, together with the document. */
import type { Path } from '../delta/types.js';
import { ChordError } from '../model/errors.js';
import { samePosition } from '../model/model.js';
import type { Store } from '../store/store.js';
import type { View } from './events.js';

/** When a member of a document expires, in milliseconds since 1970. */
export interface MemberExpiry {
  readonly path: Path;
  readonly at: number;
}

export interface ViewWithExpiries {
  readonly view: View;
  /** In the order of the paths. */
  readonly expiries: readonly MemberExpiry[];
}

/** How often a read is repeated that is overtaken by writes. */
const READS_MAX = 20;

/** @param get reads the context */
export async function withExpiries(store: Store, id: string, get: () => Promise<View>): Promise<ViewWithExpiries> {
  for (let read = 1; read <= READS_MAX; read++) {
    const view = await get();
    if (!view.head.members) return { view, expiries: [] };
    const members = await store.members(id);
    const head = await store.head(id);
    const stands = head && samePosition(head.position, view.head.position);
    if (!stands || head.members?.stamp !== view.head.members.stamp) continue;
    const expiries = members.map(({ at, path }) => ({ at, path: JSON.parse(path) as Path }));
    return { view, expiries: expiries.sort((a, b) => byKeys(a.path, b.path)) };
  }
  throw new ChordError('UNAVAILABLE', 'the context changes faster than it can be read; try again', { contextId: id });
}

function byKeys(a: Path, b: Path): number {
  for (let i = 0; i < a.length && i < b.length; i++) {
    const [x, y] = [a[i] as string, b[i] as string];
    if (x !== y) return x < y ? -1 : 1;
  }
  return a.length - b.length;
}

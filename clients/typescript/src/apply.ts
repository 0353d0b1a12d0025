/** From a document and the changes of a delta to the next document. */
import { freeze, getMember, isObject, type Json, type JsonObject, setMember } from './json.js';
import type { Change, Delta, Path } from './model.js';
import { spliceText } from './text.js';

/** A change that does not fit the document, or a delta in another format. */
export class DeltaMismatch extends Error {
  constructor(path: Path, what: string) {
    super(`${JSON.stringify(path)}: ${what}`);
    this.name = 'DeltaMismatch';
  }
}

/**
 * A new document that shares with the old one all that did not change; the old one stays as it is.
 *
 * @param delta or its changes; a delta in another format, whose `changes` are empty, is refused
 * @throws DeltaMismatch
 */
export function apply(delta: Delta | readonly Change[], document: JsonObject): JsonObject {
  if ('changes' in delta && (delta.formatted !== undefined || delta.inexpressible !== undefined)) {
    throw new DeltaMismatch([], 'the changes came in another format');
  }
  const changes = 'changes' in delta ? delta.changes : delta;
  return changes.length === 0 ? document : applyAll(changes, document, new Set());
}

/** @param own gets the containers made here, which may be written to: each on a changed path is copied once */
function applyAll(changes: readonly Change[], document: JsonObject, own: Set<object>): JsonObject {
  const root = copyOnce(document, own);
  for (const change of changes) applyOne(change, root, own);
  return root;
}

/** The same of a frozen document, frozen. Undefined where there is no document, or the changes do not fit it. */
export function applied(changes: readonly Change[], document: JsonObject | undefined): JsonObject | undefined {
  if (!document) return undefined;
  if (changes.length === 0) return document;
  const own = new Set<object>();
  try {
    const root = applyAll(changes, document, own);
    for (const change of changes) {
      if ('value' in change) freeze(change.value);
      else if ('inserted' in change) freeze(change.inserted);
    }
    for (const container of own) Object.freeze(container);
    return root;
  } catch (error) {
    if (error instanceof DeltaMismatch) return undefined;
    throw error;
  }
}

function applyOne(change: Change, root: JsonObject, own: Set<object>): void {
  const { path } = change;
  const key = path.at(-1);
  if (key === undefined) throw new DeltaMismatch(path, 'a path needs a key');
  let parent = root;
  for (const step of path.slice(0, -1)) {
    const child = getMember(parent, step);
    if (!isObject(child)) throw new DeltaMismatch(path, `no object at ${JSON.stringify(step)}`);
    const copy = copyOnce(child, own);
    setMember(parent, step, copy);
    parent = copy;
  }
  const old = getMember(parent, key);
  if ((old !== undefined) === (change.action === 'added')) {
    throw new DeltaMismatch(path, old === undefined ? 'is not there' : 'is there already');
  }
  switch (change.action) {
    case 'added':
    case 'modified':
      setMember(parent, key, change.value);
      return;
    case 'removed':
      delete (parent as Record<string, Json>)[key];
      return;
    case 'spliced': {
      const { index, removedCount, inserted } = change;
      if (!Array.isArray(old)) throw new DeltaMismatch(path, 'is not a list');
      if (index + removedCount > old.length) {
        throw new DeltaMismatch(path, `no ${removedCount} elements at ${index} of ${old.length}`);
      }
      const list = old.slice(0, index).concat(inserted, old.slice(index + removedCount));
      own.add(list);
      setMember(parent, key, list);
      return;
    }
    case 'text_spliced': {
      const { index, removedCount, inserted } = change;
      if (typeof old !== 'string') throw new DeltaMismatch(path, 'is not a string');
      const text = spliceText(old, index, removedCount, inserted);
      if (text === undefined) throw new DeltaMismatch(path, `no ${removedCount} code points at ${index}`);
      setMember(parent, key, text);
      return;
    }
    default:
      throw new DeltaMismatch(path, 'a change of an unknown kind');
  }
}

function copyOnce(object: JsonObject, own: Set<object>): JsonObject {
  if (own.has(object)) return object;
  const copy = { ...object };
  own.add(copy);
  return copy;
}

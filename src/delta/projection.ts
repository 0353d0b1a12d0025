/**
 * Parts of documents: a scope is a set of subtrees, each named by the path of its root. A document is cut down to a
 * scope by leaving out every member that is in no subtree and on the way to none; objects on the way stay, with what
 * is left of them, and values that are no objects are on no way. Then for every delta
 *
 *     projectDocument(apply(delta, document)) = apply(projectChanges(delta), projectDocument(document))
 */
import { getMember, isObject, type Json, type JsonObject, setMember } from '../model/model.js';
import { diffCompact } from './diff.js';
import { known } from './mismatch.js';
import type { Change, Changes, Path } from './types.js';

/** Members by key: 'whole' where a subtree begins, else what is of interest below. */
export type Tree = Map<string, Tree | 'whole'>;

export interface Projection {
  /** Equal for equal scopes. */
  readonly key: string;
  readonly tree: Tree;
  readonly paths: readonly Path[];
}

/** Paths are not empty; a path below another one adds nothing to it. */
export function projectionOf(paths: readonly Path[]): Projection {
  const tree: Tree = new Map();
  for (const path of paths) add(tree, path);
  return { key: textOf(tree), tree, paths };
}

/** Everything that is in any of these; undefined stands for the whole document. */
export function union(scopes: readonly (Projection | undefined)[]): Projection | undefined {
  const [first, ...rest] = scopes;
  if (rest.length === 0) return first;
  return scopes.every((scope) => scope !== undefined) ? projectionOf(scopes.flatMap(({ paths }) => paths)) : undefined;
}

/** The document cut down to the scope; it shares with the document all that is in it. */
export function projectDocument(document: JsonObject, { tree }: Projection): JsonObject {
  return pruneObject(document, tree);
}

/** What these changes do to the document cut down to the scope. They must carry their old values: throws DeltaMismatch. */
export function projectChanges(changes: Changes, { tree }: Projection): Change[] {
  const into: Change[] = [];
  for (const change of changes) narrowOne(change, tree, into);
  return into;
}

function narrowOne(change: Change, scope: Tree, into: Change[]): void {
  const { path } = change;
  let tree = scope;
  for (const key of path) {
    const next = tree.get(key);
    if (next === undefined) return;
    if (next === 'whole') {
      into.push(change);
      return;
    }
    tree = next;
  }
  // It is above subtrees, and changes as much of them as its old and new values have. A list has nothing of them.
  if (change.action === 'spliced') return;
  const before = change.action === 'added' ? undefined : pruneValue(known(change.old, change), tree);
  const after = change.action === 'removed' ? undefined : pruneValue(change.value, tree);
  diffCompact(path, before, after, into);
}

function pruneObject(object: JsonObject, tree: Tree): JsonObject {
  const kept: JsonObject = {};
  for (const [key, below] of tree) {
    const member = getMember(object, key);
    const value = member === undefined || below === 'whole' ? member : pruneValue(member, below);
    if (value !== undefined) setMember(kept, key, value);
  }
  return kept;
}

function pruneValue(value: Json, tree: Tree): JsonObject | undefined {
  return isObject(value) ? pruneObject(value, tree) : undefined;
}

function add(root: Tree, path: Path): void {
  let tree = root;
  for (const key of path.slice(0, -1)) {
    let next = tree.get(key);
    if (next === 'whole') return;
    if (next === undefined) {
      next = new Map();
      tree.set(key, next);
    }
    tree = next;
  }
  tree.set(path.at(-1) as string, 'whole');
}

/** Keys in order, each as JSON, since a member's name may be anything, and what is below it in braces. */
function textOf(tree: Tree): string {
  const keys = [...tree.keys()].sort();
  let text = '';
  for (const key of keys) {
    const below = tree.get(key) as Tree | 'whole';
    text += below === 'whole' ? JSON.stringify(key) : `${JSON.stringify(key)}{${textOf(below)}}`;
  }
  return text;
}

/**
 * Projections of documents. A scope is a set of subtrees, each named by the path of its root. The projection of a
 * document leaves out every member that is neither in a subtree nor on the path to one; objects on such a path stay, with
 * their members projected, and any other value on such a path is left out. Then for every delta
 *
 *     projectDocument(apply(delta, document)) = apply(projectChanges(delta), projectDocument(document))
 */
import { getMember, isObject, type Json, type JsonObject, setMember } from '../model/model.js';
import { diffCompact } from './diff.js';
import { known } from './mismatch.js';
import type { Change, Changes, Path } from './types.js';

/** Members by key: 'whole' where a subtree begins, else the tree of the levels below. */
export type Tree = Map<string, Tree | 'whole'>;

export interface Projection {
  /** Equal for equal scopes, different for different ones. */
  readonly key: string;
  readonly tree: Tree;
  readonly paths: readonly Path[];
}

/** Paths must not be empty; a path below another path adds nothing. */
export function projectionOf(paths: readonly Path[]): Projection {
  const tree: Tree = new Map();
  for (const path of paths) add(tree, path);
  return { key: textOf(tree), tree, paths };
}

/** The projection to all subtrees of the given ones; undefined stands for the whole document. */
export function union(scopes: readonly (Projection | undefined)[]): Projection | undefined {
  const [first, ...rest] = scopes;
  if (rest.length === 0) return first;
  return scopes.every((scope) => scope !== undefined) ? projectionOf(scopes.flatMap(({ paths }) => paths)) : undefined;
}

/** One projection after the other: to what lies in both, which may be nothing at all. */
export function intersection(one: Projection, other: Projection): Projection {
  if (one.key === other.key) return one;
  const tree = commonTree(one.tree, other.tree);
  const paths: Path[] = [];
  addPaths(tree, [], paths);
  return { key: textOf(tree), tree, paths };
}

/** Whether a path lies in one of the subtrees. */
export function contains({ tree }: Projection, path: Path): boolean {
  let at: Tree | undefined = tree;
  for (const key of path) {
    const next: Tree | 'whole' | undefined = at.get(key);
    if (next === undefined) return false;
    if (next === 'whole') return true;
    at = next;
  }
  return false;
}

/** The path of a value that a deep merge of this object would set outside the subtrees; undefined: there is none. */
export function firstOutside(object: JsonObject, { tree }: Projection): Path | undefined {
  return outsideOf(object, tree, []);
}

/** Whether a change leaves everything outside the subtrees as it is. It may add objects on the path to one. */
export function staysWithin(change: Change, { tree }: Projection): boolean {
  let at = tree;
  for (const key of change.path) {
    const next = at.get(key);
    if (next === undefined) return false;
    if (next === 'whole') return true;
    at = next;
  }
  return change.action === 'added' && isObject(change.value) && outsideOf(change.value, at, []) === undefined;
}

/** The projection of a document, which shares its values with the document. */
export function projectDocument(document: JsonObject, { tree }: Projection): JsonObject {
  return pruneObject(document, tree);
}

/** The changes of the projected document. The given changes must carry their old values: throws DeltaMismatch. */
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
  // The change is above subtrees: its old and new values are projected. Lists and strings have no members in any subtree.
  if (change.action === 'spliced' || change.action === 'text_spliced') return;
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

function commonTree(one: Tree, other: Tree): Tree {
  const common: Tree = new Map();
  for (const [key, a] of one) {
    const b = other.get(key);
    if (b === undefined) continue;
    // Also where nothing below is in both: the object itself lies on a path of each.
    common.set(key, a === 'whole' ? b : b === 'whole' ? a : commonTree(a, b));
  }
  return common;
}

function addPaths(tree: Tree, at: Path, into: Path[]): void {
  for (const [key, below] of tree) {
    if (below === 'whole') into.push([...at, key]);
    else addPaths(below, [...at, key], into);
  }
}

function outsideOf(object: JsonObject, tree: Tree, at: Path): Path | undefined {
  for (const key of Object.keys(object)) {
    const below = tree.get(key);
    if (below === 'whole') continue;
    const value = getMember(object, key) as Json;
    const path = [...at, key];
    const outside = below && isObject(value) ? outsideOf(value, below, path) : path;
    if (outside) return outside;
  }
  return undefined;
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

/** Keys in order, each as JSON, since a key may contain any character; the tree below a key stands in braces. */
function textOf(tree: Tree): string {
  const keys = [...tree.keys()].sort();
  let text = '';
  for (const key of keys) {
    const below = tree.get(key) as Tree | 'whole';
    text += below === 'whole' ? JSON.stringify(key) : `${JSON.stringify(key)}{${textOf(below)}}`;
  }
  return text;
}

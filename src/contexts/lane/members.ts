/**
 * The members of one document that expire, as a lane has them in memory: by path, in a tree of keys, so that a write finds
 * those at and below its paths; and by time, in a heap.
 *
 * Which members there are, and their times to live, belong to the stamp of the head. A time may be too early, where another
 * server renewed the member: then the store refuses to remove it, and the lane loads again.
 */
import { type Path, pathLength } from '../../delta/types.js';
import type { Member } from '../../store/store.js';

export interface ExpiringMember {
  /** Unique within the context. */
  readonly number: number;
  readonly path: Path;
  /** When it expires, in milliseconds since 1970. */
  readonly at: number;
  /** In milliseconds. */
  readonly ttl: number;
}

/** What a write does to the members. A member with a new time is removed and added, with the same number. */
export interface MemberStep {
  readonly removed: readonly ExpiringMember[];
  readonly added: readonly ExpiringMember[];
}

interface Node {
  children: Map<string, Node> | undefined;
  member: ExpiringMember | undefined;
}

/** The approximate memory of a member beside its keys, in bytes. */
const MEMBER_BYTES = 500;
/** Members that are no longer there may stay in the heap, up to as many as there are, and these. */
const HEAP_SLACK = 64;

export class Members {
  readonly #root: Node = { children: undefined, member: undefined };
  #heap: ExpiringMember[] = [];
  #count = 0;
  #pathLength = 0;
  #last = 0;

  static load(members: readonly Member[]): Members {
    const loaded = new Members();
    for (const { path, ...times } of members) loaded.#add({ ...times, path: JSON.parse(path) as Path });
    return loaded;
  }

  get count(): number {
    return this.#count;
  }

  /** Of all paths, in characters. */
  get pathLength(): number {
    return this.#pathLength;
  }

  /** The approximate memory, in bytes. */
  get bytes(): number {
    return this.#count * MEMBER_BYTES + this.#pathLength;
  }

  /** No member has a number above it, or had one since these were loaded. */
  get lastNumber(): number {
    return this.#last;
  }

  at(path: Path): ExpiringMember | undefined {
    return this.#find(path)?.member;
  }

  atOrBelow(path: Path): ExpiringMember[] {
    const found: ExpiringMember[] = [];
    const node = this.#find(path);
    if (node) collect(node, found);
    return found;
  }

  /** Those whose time is over, and the time of the next one after them; absent: there is none. */
  due(now: number): { readonly over: readonly ExpiringMember[]; readonly next: number | undefined } {
    const over: ExpiringMember[] = [];
    let first = this.#first();
    for (; first && first.at <= now; first = this.#first()) {
      over.push(first);
      pop(this.#heap);
    }
    for (const member of over) push(this.#heap, member);
    return { over, next: first?.at };
  }

  apply({ removed, added }: MemberStep): void {
    for (const member of removed) this.#remove(member);
    for (const member of added) this.#add(member);
  }

  undo({ removed, added }: MemberStep): void {
    this.apply({ removed: added, added: removed });
  }

  #find(path: Path): Node | undefined {
    let node: Node | undefined = this.#root;
    for (let i = 0; node && i < path.length; i++) node = node.children?.get(path[i] as string);
    return node;
  }

  #add(member: ExpiringMember): void {
    let node = this.#root;
    for (const key of member.path) {
      node.children ??= new Map();
      let child = node.children.get(key);
      if (!child) {
        child = { children: undefined, member: undefined };
        node.children.set(key, child);
      }
      node = child;
    }
    node.member = member;
    this.#count++;
    this.#pathLength += pathLength(member.path);
    this.#last = Math.max(this.#last, member.number);
    push(this.#heap, member);
    if (this.#heap.length > 2 * this.#count + HEAP_SLACK) this.#rebuild();
  }

  #remove({ path }: ExpiringMember): void {
    const nodes = [this.#root];
    for (const key of path) {
      const child = nodes.at(-1)?.children?.get(key);
      if (!child) return;
      nodes.push(child);
    }
    const node = nodes.at(-1) as Node;
    if (!node.member) return;
    node.member = undefined;
    this.#count--;
    this.#pathLength -= pathLength(path);
    for (let i = path.length; i > 0; i--) {
      const { member, children } = nodes[i] as Node;
      if (member || (children && children.size > 0)) break;
      nodes[i - 1]?.children?.delete(path[i - 1] as string);
    }
  }

  /** The first member of the heap that is still there. */
  #first(): ExpiringMember | undefined {
    for (let first = this.#heap[0]; first; first = this.#heap[0]) {
      if (this.at(first.path) === first) return first;
      pop(this.#heap);
    }
    return undefined;
  }

  #rebuild(): void {
    const members: ExpiringMember[] = [];
    collect(this.#root, members);
    // A sorted array is a heap.
    this.#heap = members.sort((a, b) => a.at - b.at);
  }
}

function collect(node: Node, into: ExpiringMember[]): void {
  if (node.member) into.push(node.member);
  if (node.children) for (const child of node.children.values()) collect(child, into);
}

// A binary heap, the earliest time first.

function push(heap: ExpiringMember[], member: ExpiringMember): void {
  let i = heap.length;
  for (; i > 0; ) {
    const parent = (i - 1) >> 1;
    const above = heap[parent] as ExpiringMember;
    if (above.at <= member.at) break;
    heap[i] = above;
    i = parent;
  }
  heap[i] = member;
}

function pop(heap: ExpiringMember[]): void {
  const last = heap.pop();
  if (!last || heap.length === 0) return;
  let i = 0;
  for (let child = 1; child < heap.length; child = 2 * i + 1) {
    const right = heap[child + 1];
    if (right && right.at < (heap[child] as ExpiringMember).at) child++;
    const below = heap[child] as ExpiringMember;
    if (last.at <= below.at) break;
    heap[i] = below;
    i = child;
  }
  heap[i] = last;
}

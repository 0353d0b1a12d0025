/**
 * The paths that a write rests on, as a tree of their keys, and what later changes touched of them. A change costs a walk
 * along its own path, however many paths are guarded: a change above others marks its node, and what lies below reads the
 * mark at the end.
 */
import type { Span, Touch } from '../../codec/touched.js';
import type { Path } from '../../delta/types.js';

/** Elements of a list, or code points of a string: `removed` of them at `index`. */
export class SplicePlace {
  /** The version whose change the place cannot be carried through; 0: none. */
  lostAt = 0;

  constructor(
    readonly path: Path,
    /** In the document at `since`, until the place is carried through a splice. */
    public index: number,
    readonly removed: number,
  ) {}
}

export interface TouchedPath {
  readonly path: Path;
  readonly touchedAt: number;
}

class TreeNode {
  children: Map<string, TreeNode> | undefined;
  guard: Path | undefined;
  places: SplicePlace[] | undefined;
  /** The last version that changed the value at this node or below it. Kept for guarded nodes alone. */
  touchedAt = 0;
  /** The last version that changed the value at this node itself, and thus all below. */
  coveredAt = 0;
}

/** Carrying takes a step for each place and splice of a list; beyond this, the history counts as too long. */
const STEPS_MAX = 5_000_000;

export class TouchTree {
  readonly #root = new TreeNode();
  readonly #nodes: TreeNode[] = [];
  #steps = 0;

  constructor(
    guarded: readonly Path[],
    private readonly places: readonly SplicePlace[],
  ) {
    for (const path of guarded) this.#at(path).guard = path;
    for (const place of places) {
      const node = this.#at(place.path);
      node.places ??= [];
      node.places.push(place);
    }
  }

  /** Whether carrying places has taken too many steps. */
  get exhausted(): boolean {
    return this.#steps > STEPS_MAX;
  }

  /** Notes a change that was made in this version. */
  note({ path, span }: Touch, version: number): void {
    let node = this.#root;
    for (let i = 0; i < path.length; i++) {
      const child = node.children?.get(path[i]!);
      if (!child) return;
      node = child;
      if (node.guard) node.touchedAt = version;
      if (node.places && (i < path.length - 1 || !span)) for (const place of node.places) place.lostAt = version;
    }
    node.coveredAt = version;
    if (!span || !node.places) return;
    this.#steps += node.places.length;
    for (const place of node.places) if (!carry(place, span)) place.lostAt = version;
  }

  /** Answers a function that takes back all that is noted from now on. */
  mark(): () => void {
    const steps = this.#steps;
    const nodes = this.#nodes.map(({ touchedAt, coveredAt }) => ({ touchedAt, coveredAt }));
    const places = this.places.map(({ index, lostAt }) => ({ index, lostAt }));
    return () => {
      this.#steps = steps;
      this.#nodes.forEach((node, i) => void Object.assign(node, nodes[i]));
      this.places.forEach((place, i) => void Object.assign(place, places[i]));
    };
  }

  /** The guarded paths that were touched, and the paths of the places that were lost; at most `max`. */
  touched(max: number): TouchedPath[] {
    const found: TouchedPath[] = [];
    const visit = (node: TreeNode, above: number): void => {
      if (found.length >= max) return;
      const touchedAt = Math.max(above, node.touchedAt, node.guard ? node.coveredAt : 0);
      const lost = node.places?.reduce((last, { lostAt }) => Math.max(last, lostAt, above), 0) ?? 0;
      if (node.guard && touchedAt > 0) found.push({ path: node.guard, touchedAt });
      else if (lost > 0) found.push({ path: node.places![0]!.path, touchedAt: lost });
      const below = Math.max(above, node.coveredAt);
      for (const child of node.children?.values() ?? []) visit(child, below);
    };
    visit(this.#root, 0);
    return found;
  }

  /** Whether the place was lost, by its own path or by one above. */
  lost(place: SplicePlace): boolean {
    let node = this.#root;
    for (const key of place.path) {
      if (node.coveredAt > 0) return true;
      node = node.children!.get(key)!;
    }
    return place.lostAt > 0;
  }

  #at(path: Path): TreeNode {
    let node = this.#root;
    for (const key of path) {
      node.children ??= new Map();
      let child = node.children.get(key);
      if (!child) {
        child = new TreeNode();
        this.#nodes.push(child);
        node.children.set(key, child);
      }
      node = child;
    }
    return node;
  }
}

/**
 * Moves a place to where its elements lie after a splice. False: the splice removed some of them, or lies inside. Of two
 * insertions at one index, the later one goes behind.
 */
export function carry(place: SplicePlace, { index, removed, inserted }: Span): boolean {
  if (index + removed > place.index) return index >= place.index + place.removed;
  place.index += inserted - removed;
  return true;
}

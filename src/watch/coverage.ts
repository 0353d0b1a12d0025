/**
 * Which subscriptions of a watch cover a context, and which part of the context the reader requests: the union of the
 * subscriptions. Prefixes are sorted, and each one refers to the longest other prefix that it begins with: one search
 * finds all prefixes of an id.
 */
import type { DeltaForm } from '../contexts/sync/formats.js';
import type { WatchInterest } from '../contexts/sync/projection.js';
import { intersection, type Projection, union } from '../delta/projection.js';
import { invalid } from '../model/errors.js';
import type { Subscription } from './subscription.js';

/** The maximum of one subscription: 1000 paths of 32 keys. A key takes some 250 bytes while the watch is open. */
export const KEYS_MAX = 32_000;

const WHOLE: WatchInterest = {};

interface Prefix {
  readonly prefix: string;
  /** The longest other prefix that this one begins with. */
  readonly parent: Prefix | undefined;
  readonly asks: Asks;
}

/** The parts of a context that the reader may read; undefined: the whole document. Equal parts are one object. */
export type PartsOf = (id: string) => Projection | undefined;

export class Coverage {
  /** The prefixes that no other prefix covers. */
  readonly roots: readonly string[];
  readonly #prefixes: readonly Prefix[];
  readonly #ids = new Map<string, Asks>();
  /** The ids of single contexts in the subscriptions. */
  readonly ids: Pick<ReadonlySet<string>, 'has' | 'keys'> = this.#ids;
  readonly #everything: WatchInterest | undefined;
  readonly #form: DeltaForm | undefined;
  readonly #cuts = new Map<WatchInterest, Map<Projection, WatchInterest>>();
  #keys = 0;

  /** Throws INVALID_ARGUMENT where subscriptions with many paths overlap too much. */
  constructor(
    subscriptions: readonly Subscription[],
    form?: DeltaForm,
    private readonly partsOf?: PartsOf,
  ) {
    this.#form = form;
    this.#everything = form?.format && { form };
    const [ids, prefixes] = [
      new Map<string, (Projection | undefined)[]>(),
      new Map<string, (Projection | undefined)[]>(),
    ];
    for (const { target, scope } of subscriptions) {
      const [into, key] = target.kind === 'id' ? [ids, target.id] : [prefixes, target.prefix];
      const scopes = into.get(key);
      if (scopes) scopes.push(scope);
      else into.set(key, [scope]);
    }
    const above: Prefix[] = [];
    const nothing = new Asks([], 0);
    this.#prefixes = [...prefixes.keys()].sort().map((prefix) => {
      while (above.length > 0 && !prefix.startsWith(above.at(-1)!.prefix)) above.pop();
      const parent = above.at(-1);
      const node = { prefix, parent, asks: this.#add(parent?.asks ?? nothing, prefixes.get(prefix)!) };
      above.push(node);
      return node;
    });
    this.roots = this.#prefixes.flatMap(({ prefix, parent }) => (parent ? [] : prefix));
    for (const [id, scopes] of ids) this.#ids.set(id, this.#add(this.#longest(id)?.asks ?? nothing, scopes));
  }

  covers(id: string): boolean {
    return this.#ids.has(id) || this.#longest(id) !== undefined;
  }

  /**
   * The requested part and form of a covered context, as far as the reader may read it. Undefined: the whole context, in the
   * plain form.
   */
  interestIn(id: string): WatchInterest | undefined {
    const asks = this.#ids.get(id) ?? this.#longest(id)?.asks;
    const parts = this.partsOf?.(id);
    if (parts) return this.#cut(this.#interestOf(asks), parts);
    return this.#interestOf(asks);
  }

  #interestOf(asks: Asks | undefined): WatchInterest | undefined {
    if (!asks?.scopes) return this.#everything;
    asks.interest ??= { scope: union(asks.scopes), form: this.#form };
    return asks.interest;
  }

  /** One object for the same interest and parts. */
  #cut(interest: WatchInterest | undefined, parts: Projection): WatchInterest {
    const key = interest ?? WHOLE;
    let cuts = this.#cuts.get(key);
    if (!cuts) {
      cuts = new Map();
      this.#cuts.set(key, cuts);
    }
    let cut = cuts.get(parts);
    if (!cut) {
      cut = { scope: interest?.scope ? intersection(parts, interest.scope) : parts, form: this.#form };
      cuts.set(parts, cut);
    }
    return cut;
  }

  /** Usually the same object for the same scopes, so that equal overlaps are counted and created once. */
  #add(asks: Asks, scopes: readonly (Projection | undefined)[]): Asks {
    let all = asks;
    for (const scope of scopes) {
      if (!all.scopes || (scope && all.scopes.includes(scope))) continue;
      let more = all.with.get(scope);
      if (!more) {
        const keys = scope ? all.keys + keysIn(scope) : 0;
        this.#keys += keys;
        if (this.#keys > KEYS_MAX) {
          const counted = 'counted together where subscriptions overlap';
          throw invalid('subscriptions', `has more than ${KEYS_MAX} keys in paths, ${counted}`);
        }
        more = new Asks(scope && [...all.scopes, scope], keys);
        all.with.set(scope, more);
      }
      all = more;
    }
    return all;
  }

  /** The longest prefix of an id. */
  #longest(id: string): Prefix | undefined {
    const prefixes = this.#prefixes;
    let [low, high] = [0, prefixes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (prefixes[middle]!.prefix <= id) low = middle + 1;
      else high = middle;
    }
    // Every text between a prefix of the id and the id itself begins with that prefix, too.
    let found = prefixes[low - 1];
    if (!found) return undefined;
    let common = 0;
    while (common < found.prefix.length && found.prefix[common] === id[common]) common++;
    while (found && found.prefix.length > common) found = found.parent;
    return found;
  }
}

/** The union of some subscriptions for one context. */
class Asks {
  /** By scope: the union with that scope added. */
  readonly with = new Map<Projection | undefined, Asks>();
  interest: WatchInterest | undefined;

  constructor(
    /** Undefined: the whole document. */
    readonly scopes: readonly Projection[] | undefined,
    readonly keys: number,
  ) {}
}

function keysIn({ paths }: Projection): number {
  return paths.reduce((sum, { length }) => sum + length, 0);
}

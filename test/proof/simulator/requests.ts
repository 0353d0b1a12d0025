/** What simulated clients ask: writes that leave their number in the document, and reads of every kind. */
import type { Expected } from '../../../src/contexts/writes/conditions.js';
import type { Json, JsonObject, Position } from '../../../src/model/model.js';
import type { Write } from '../../random-model/plain.js';
import type { Random } from '../random.js';
import type { Disk } from './disk.js';

/** Contexts without a time to live, so that one that is not there was deleted or never made. */
export const STEADY = ['a', 'b', 'r:1', 'r:2'] as const;
/** Contexts whose writes give them a time to live. */
export const PASSING = ['t:1', 't:2'] as const;
export const IDS: readonly string[] = [...STEADY, ...PASSING];

export type Single = Write | { readonly kind: 'revert'; readonly id: string; readonly version: number };

export type Asked =
  | { readonly kind: 'write'; readonly write: Single }
  | { readonly kind: 'batch'; readonly writes: readonly Single[]; readonly requestId: string | undefined }
  | { readonly kind: 'touch'; readonly id: string; readonly ttl: number | undefined }
  | { readonly kind: 'get' | 'list'; readonly id: string }
  | { readonly kind: 'sync'; readonly id: string; readonly known: Position | undefined }
  | { readonly kind: 'past' | 'deltas'; readonly id: string; readonly version: number };

/** The member of each written document that holds the number of its write. */
export const MARK = 'op';

const KINDS = { write: 40, batch: 8, touch: 4, get: 10, list: 4, sync: 6, past: 2, deltas: 3 } as const;

export function ask(random: Random, disk: Disk, number: number): Asked {
  const id = random.pick(IDS);
  const kind = random.weighted(KINDS);
  switch (kind) {
    case 'write':
      return { kind, write: single(random, disk, number, id, requestIdOf(random, number)) };
    case 'batch': {
      const ids = IDS.filter(() => random.chance(0.4));
      if (ids.length === 0) ids.push(id);
      const writes = ids.map((each) => single(random, disk, number, each, undefined));
      return { kind, writes, requestId: requestIdOf(random, number) };
    }
    case 'touch':
      return { kind, id, ttl: isPassing(id) ? random.pick([undefined, 50, 3000]) : undefined };
    case 'sync':
      return { kind, id, known: random.chance(0.8) ? positionOf(random, disk, id) : undefined };
    case 'past':
    case 'deltas':
      return { kind, id, version: random.below(2 + (disk.newest(id).position?.version ?? 0)) };
    default:
      return { kind, id: kind === 'list' ? random.pick(['', 'r:', 't:', 'a']) : id };
  }
}

function single(random: Random, disk: Disk, number: number, id: string, requestId: string | undefined): Single {
  const kind = random.weighted({ set: 4, update: 12, delete: 2, revert: 1 });
  const expected = random.chance(0.2) ? expectedOf(random, disk, id) : undefined;
  const shared = { id, requestId, expected };
  const ttl = isPassing(id) ? random.pick([undefined, 20, 500, 5000]) : undefined;
  if (kind === 'delete') return { kind, ...shared, allowMissing: random.chance(0.6) };
  if (kind === 'revert') return { kind, id, version: 1 + random.below(disk.newest(id).position?.version ?? 1) };
  if (kind === 'set') return { kind, ...shared, ttl, value: { ...documentOf(random), [MARK]: number } };
  const mutations = Array.from({ length: random.below(3) }, () => mutationOf(random));
  return { kind, ...shared, ttl, allowMissing: random.chance(0.8), changes: { [MARK]: number }, mutations };
}

function documentOf(random: Random): JsonObject {
  const document: JsonObject = {};
  for (const key of ['n', 'list', 'o', 'text']) if (random.chance(0.5)) document[key] = memberOf(random, key);
  return document;
}

function memberOf(random: Random, key: string): Json {
  if (key === 'n') return random.below(100);
  if (key === 'list') return Array.from({ length: random.below(4) }, () => random.below(10));
  if (key === 'o') return { p: random.below(9), q: random.chance(0.5) ? 'x'.repeat(random.below(300)) : null };
  return 'word '.repeat(random.below(8));
}

function mutationOf(random: Random) {
  const kind = random.pick(['set', 'remove', 'increment', 'append', 'splice'] as const);
  if (kind === 'increment') return { kind, path: [random.chance(0.9) ? 'n' : 'text'], by: 1 };
  if (kind === 'append') return { kind, path: ['list'], values: [random.below(10)] };
  if (kind === 'splice') return { kind, path: ['list'], index: 0, removeCount: random.below(2), insert: [1] };
  const path = random.pick([['o', 'p'], ['o'], ['text'], ['new', 'deep']]);
  return kind === 'remove' ? { kind, path } : { kind, path, value: memberOf(random, path[0] === 'o' ? 'n' : 'text') };
}

function expectedOf(random: Random, disk: Disk, id: string): Expected {
  const position = random.chance(0.7) ? disk.newest(id).position : positionOf(random, disk, id);
  if (!position) return { kind: 'absent' };
  return random.chance(0.3) ? { kind: 'version', version: position.version } : { kind: 'position', position };
}

/** One that the context once had. */
function positionOf(random: Random, disk: Disk, id: string): Position | undefined {
  return random.pick(disk.chainOf(id)).position;
}

function requestIdOf(random: Random, number: number): string | undefined {
  return random.chance(0.6) ? `request ${number}` : undefined;
}

export function isPassing(id: string): boolean {
  return (PASSING as readonly string[]).includes(id);
}

/** What simulated clients ask: writes that leave their number in the document, and reads of every kind. */
import type { Expected } from '../../../src/contexts/writes/conditions.js';
import type { Mutation } from '../../../src/contexts/writes/mutations.js';
import type { DocumentCheck } from '../../../src/model/conditions.js';
import type { Json, JsonObject, Position } from '../../../src/model/model.js';
import type { Write } from '../../random-model/plain.js';
import type { Random } from '../random.js';
import { LIST, rows, spliceOf } from './carried.js';
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
  | { readonly kind: 'renew'; readonly id: string; readonly path: readonly string[] }
  | { readonly kind: 'get' | 'list'; readonly id: string }
  | { readonly kind: 'sync'; readonly id: string; readonly known: Position | undefined }
  | { readonly kind: 'past' | 'deltas'; readonly id: string; readonly version: number };

/** The member of each written document that holds the number of its write. */
export const MARK = 'op';

const KINDS = { write: 40, batch: 8, touch: 4, renew: 10, get: 10, list: 4, sync: 6, past: 2, deltas: 3 } as const;

/** `edits`: half of the calls are those of editors of one document. */
export function ask(random: Random, disk: Disk, number: number, edits: boolean): Asked {
  if (edits && random.chance(0.5)) return { kind: 'write', write: edit(random, disk, number, 'a') };
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
    case 'renew': {
      const all = IDS.flatMap((each) => [...(disk.newest(each).members?.keys() ?? [])].map((path) => ({ each, path })));
      const found = all.length > 0 ? random.pick(all) : { each: id, path: '["o"]' };
      return { kind, id: found.each, path: JSON.parse(found.path) as string[] };
    }
    case 'sync':
      return { kind, id, known: random.chance(0.8) ? positionOf(random, disk, id) : undefined };
    case 'past':
      return past(random, disk, id);
    case 'deltas':
      return { kind, id, version: random.below(2 + (disk.newest(id).position?.version ?? 0)) };
    default:
      return { kind, id: kind === 'list' ? random.pick(['', 'r:', 't:', 'a']) : id };
  }
}

function single(random: Random, disk: Disk, number: number, id: string, requestId: string | undefined): Single {
  const kind = random.weighted({ set: 4, update: 12, delete: 2, revert: 1 });
  const expected = random.chance(0.3) ? expectedOf(random, disk, id) : undefined;
  const shared = { id, requestId, expected };
  const ttl = isPassing(id) ? random.pick([undefined, 20, 500, 5000]) : undefined;
  if (kind === 'delete') return { kind, ...shared, allowMissing: random.chance(0.6) };
  if (kind === 'revert') return { kind, id, version: 1 + random.below(disk.newest(id).position?.version ?? 1) };
  if (kind === 'set')
    return { kind, ...shared, ttl, value: { ...documentOf(random), ...rows(random, number), [MARK]: number } };
  // What is carried from an older position may lie elsewhere: of such splices there is one, which `carried.ts` judges.
  const carried = expected?.kind === 'unchanged';
  const mutations = Array.from({ length: random.below(3) }, () => mutationOf(random, carried));
  const asked = carried ? disk.at(id, expected.since)?.document : disk.newest(id).document;
  const splice = asked && random.chance(carried ? 0.8 : 0.5) ? spliceOf(random, number, asked) : undefined;
  if (splice) mutations.push(splice);
  const renews = !splice && random.chance(asked && LIST in asked ? 0.1 : 0.7);
  const changes = { ...(renews && rows(random, number)), [MARK]: number };
  return { kind, ...shared, ttl, allowMissing: random.chance(0.8), changes, mutations };
}

export function past(random: Random, disk: Disk, id: string): Asked {
  return { kind: 'past', id, version: random.below(2 + (disk.newest(id).position?.version ?? 0)) };
}

/** A write that leaves its number, and nothing else. */
export function mark(id: string, number: number): Asked {
  const shared = { requestId: undefined, expected: undefined, ttl: undefined, allowMissing: true };
  return { kind: 'write', write: { kind: 'update', id, ...shared, changes: { [MARK]: number }, mutations: [] } };
}

/** Met by the write with this number, and later ones. */
export function marked(number: number): DocumentCheck {
  return { path: [MARK], test: { kind: 'atLeast', limit: number } };
}

/** A splice of one of the last versions. */
function edit(random: Random, disk: Disk, number: number, id: string): Single {
  const { position } = disk.newest(id);
  const since = position && recent(random, disk, id, position);
  const splice = since && spliceOf(random, number, disk.at(id, since)!.document);
  const expected = splice && { kind: 'unchanged' as const, since, paths: [UNTOUCHED], checks: undefined };
  const changes = { ...(!splice && rows(random, number)), [MARK]: number };
  const mutations = splice ? [splice] : [];
  const requestId = requestIdOf(random, number);
  return { kind: 'update', id, requestId, expected, ttl: undefined, allowMissing: true, changes, mutations };
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

/** Where members are set that expire. */
const EXPIRING = [['o', 'p'], ['o'], ['new', 'deep'], ['here']];
const PATHS = [...EXPIRING, ['text'], ['n'], ['list']];
/** A guard of this path alone always holds. */
const UNTOUCHED = ['quiet'];

function mutationOf(random: Random, carried: boolean): Mutation {
  const kinds = ['set', 'set', 'remove', 'increment', 'append', 'append_text', 'splice', 'splice_text'] as const;
  const kind = random.pick(carried ? kinds.slice(0, -2) : kinds);
  switch (kind) {
    case 'increment':
      return { kind, path: [random.chance(0.9) ? 'n' : 'text'], by: 1 };
    case 'append':
      return { kind, path: ['list'], values: [random.below(10)] };
    case 'splice':
      return { kind, path: ['list'], index: 0, removeCount: random.below(2), insert: [1] };
    case 'append_text':
      return { kind, path: ['text'], text: random.pick(['a', 'words ', '\u{1f642}', '']) };
    case 'splice_text':
      return {
        kind,
        path: ['text'],
        index: random.below(3),
        removeCount: random.below(3),
        insert: random.pick(['', '\u{1f642}b']),
      };
    case 'remove':
      return { kind, path: random.pick(PATHS) };
    case 'set': {
      if (random.chance(0.5))
        return { kind, path: random.pick([['o', 'p'], ['text'], ['new', 'deep']]), value: memberOf(random, 'text') };
      const path = random.pick(EXPIRING);
      const value = path.length === 1 ? { p: random.below(3) } : random.below(3);
      return { kind, path, value, ttl: random.pick([1000, 1000, 1500, 4000]) };
    }
  }
}

function expectedOf(random: Random, disk: Disk, id: string): Expected {
  const checks = random.chance(0.3) ? [checkOf(random)] : undefined;
  const position = random.chance(0.7) ? disk.newest(id).position : positionOf(random, disk, id);
  if (!position) return { kind: 'absent', checks };
  switch (random.weighted({ version: 3, position: 4, unchanged: 8, checks: checks ? 3 : 0 })) {
    case 'version':
      return { kind: 'version', version: position.version, checks };
    case 'position':
      return { kind: 'position', position, checks };
    case 'unchanged':
      return {
        kind: 'unchanged',
        since: (random.chance(0.3) && positionOf(random, disk, id)) || recent(random, disk, id, position),
        paths: [random.chance(0.5) ? UNTOUCHED : random.pick(PATHS)],
        checks,
      };
    default:
      return { kind: 'checks', checks };
  }
}

export function checkOf(random: Random): DocumentCheck {
  const path = random.pick(PATHS);
  if (random.chance(0.5)) return { path, test: { kind: 'exists', yes: random.chance(0.7) } };
  return { path: ['n'], test: { kind: random.pick(['atLeast', 'atMost'] as const), limit: random.below(100) } };
}

/** One of the last few of this life. */
function recent(random: Random, disk: Disk, id: string, position: Position): Position {
  const { epoch, version } = position;
  return disk.version(id, epoch, Math.max(1, version - random.below(4)))?.position ?? position;
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

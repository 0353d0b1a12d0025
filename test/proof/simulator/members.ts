/**
 * When members of a document may expire, and when they must have: bounds, since a server counts from its own clock at some
 * moment between a call and its commit.
 */
import { isDeepStrictEqual } from 'node:util';
import { getMember, isObject, type Json, type JsonObject } from '../../../src/model/model.js';
import type { Write } from '../../random-model/plain.js';
import { copied } from '../../support/arbitrary.js';

export interface Member {
  readonly ttl: number;
  /** It expires at this time at the earliest. Renewals that were answered move it. */
  from: number;
  /** Unless it was renewed, a read after this time does not show it. */
  readonly until: number;
}

/** By path, as JSON. The same object in all states of a life between which the time was not set anew. */
export type Members = ReadonlyMap<string, Member>;

/** The clock at the call of a write, and the latest time that any clock has shown at its commit. */
interface Times {
  readonly called: number;
  readonly latest: number;
}

export function membersAfter(write: Write, before: Members, { called, latest }: Times): Members {
  if (write.kind !== 'update') return new Map();
  const members = new Map(before);
  // The simulator's merges replace whole members.
  for (const key of Object.keys(write.changes ?? {})) end(members, [key]);
  for (const mutation of write.mutations) {
    if (mutation.kind !== 'set' && mutation.kind !== 'remove') continue;
    const text = JSON.stringify(mutation.path);
    const old = members.get(text);
    end(members, mutation.path);
    const ttl = mutation.kind === 'set' ? mutation.ttl : undefined;
    if (ttl === undefined) continue;
    // The same time to live again takes no time away.
    const from = Math.max(called + ttl, old?.ttl === ttl ? old.from : 0);
    members.set(text, { ttl, from, until: latest + ttl });
  }
  return members;
}

/**
 * The members after a version in which members expired. Throws unless it removed at least one, none before its time, and
 * nothing else.
 */
export function membersLeft(
  id: string,
  before: JsonObject,
  members: Members,
  after: JsonObject,
  latest: number,
): Members {
  const gone = [...members]
    .filter(([text]) => valueAt(after, JSON.parse(text)) === undefined)
    .map(([text, member]) => ({ ...member, text, path: JSON.parse(text) as string[] }));
  // What lies within a member goes with it.
  const isDue = (path: readonly string[]) =>
    gone.some((each) => each.from <= latest && each.path.every((key, i) => key === path[i]));
  const early = gone.find(({ path }) => !isDue(path));
  if (early) throw new Error(`${id}: ${early.text} expired ${early.from - latest} ms before its time`);
  const expected = copied(before);
  const left = new Map(members);
  for (const { path } of gone) {
    const parent = valueAt(expected, path.slice(0, -1));
    if (isObject(parent)) delete parent[path.at(-1) as string];
    end(left, path);
  }
  if (gone.length === 0 || !isDeepStrictEqual(expected, after)) {
    throw new Error(`${id}: ${[...members.keys()]} of ${JSON.stringify(before)} expired to ${JSON.stringify(after)}`);
  }
  return left;
}

function valueAt(document: JsonObject, path: readonly string[]): Json | undefined {
  let value: Json | undefined = document;
  for (const key of path) value = isObject(value) ? getMember(value, key) : undefined;
  return value;
}

/** Ends the times of a path and of all below it. */
function end(members: Map<string, Member>, path: readonly string[]): void {
  for (const text of members.keys()) {
    const other = JSON.parse(text) as string[];
    if (path.every((key, i) => key === other[i])) members.delete(text);
  }
}

/**
 * What Chord promises, in the plainest words: a map of documents, with all that they ever were. Positions come from
 * Chord's answers; the model knows which of their parts must be new and which the same.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Annotations } from '../../src/codec/provenance.js';
import type { Expected } from '../../src/contexts/writes/conditions.js';
import type { Mutation } from '../../src/contexts/writes/mutations.js';
import type { WriteResult } from '../../src/contexts/writes/writes.js';
import { weigh } from '../../src/delta/index.js';
import type { DocumentCheck } from '../../src/model/conditions.js';
import { getMember, isObject, type Json, type JsonObject, type Position, setMember } from '../../src/model/model.js';
import { copied } from '../support/arbitrary.js';
import { agrees } from '../support/reader.js';
import { touches } from '../support/touches.js';

/** One write, as it is handed to the service. */
export type Write = {
  readonly id: string;
  readonly requestId?: string | undefined;
  readonly expected?: Expected | undefined;
  readonly annotations?: Annotations | undefined;
  readonly allowMissing?: boolean | undefined;
} & (
  | { readonly kind: 'set'; readonly value: JsonObject; readonly ttl?: number | undefined }
  | {
      readonly kind: 'update';
      readonly changes?: JsonObject | undefined;
      readonly mutations: readonly Mutation[];
      readonly ttl?: number | undefined;
    }
  | { readonly kind: 'delete' }
);

export interface PlainContext {
  document: JsonObject;
  position: Position;
  createdAt: number;
  updatedAt: number;
  expiry: { at: number; ttl: number } | undefined;
  /** The members that expire, by path, as JSON. */
  members: Times;
  /** Every state of this life, by version. */
  readonly states: Map<number, State>;
  /** Deltas may have been dropped. */
  trimmed: boolean;
}

export interface State {
  readonly position: Position;
  readonly document: JsonObject;
  readonly cause?: 'expired';
  readonly annotations?: Annotations | undefined;
}

type Times = Map<string, { at: number; ttl: number }>;

export class Refusal extends Error {
  constructor(readonly reason: string) {
    super(reason);
  }
}

export class Plain {
  readonly contexts = new Map<string, PlainContext>();
  /** Every state that any life of an id ever had. */
  readonly past = new Map<string, State[]>();
  readonly requests = new Map<string, { readonly write: Write; readonly answer: WriteResult }>();
  /** Those of batches, which share their names with the ones above. */
  readonly batches = new Map<string, { readonly writes: readonly Write[]; readonly answers: readonly WriteResult[] }>();
  /** Documents by position, of all contexts. */
  readonly #seen = new Map<string, JsonObject>();
  readonly #epochs = new Set<string>();
  now = 1_000_000;

  constructor(readonly weightMax: number) {}

  /** Carries a write out; `said` is Chord's answer, from which new positions are learned, or its refusal. Throws Refusal. */
  write(write: Write, said: WriteResult | string | undefined): WriteResult {
    const answer = typeof said === 'string' ? undefined : said;
    checkPaths(write);
    const name = write.requestId && `${write.id} ${write.requestId}`;
    const first = name ? this.requests.get(name) : undefined;
    if (name && this.batches.has(name)) throw new Refusal('INVALID_ARGUMENT');
    if (first) {
      if (!isDeepStrictEqual(first.write, write)) throw new Refusal('INVALID_ARGUMENT');
      return first.answer;
    }
    this.#refuseTrimmed(write, said);
    const result = write.kind === 'delete' ? this.#delete(write) : this.#edit(write, answer);
    if (name) this.requests.set(name, { write, answer: result });
    return result;
  }

  /** All of the writes, or a Refusal. */
  batch(writes: readonly Write[], requestId: string | undefined, said: readonly WriteResult[] | string) {
    const answers = typeof said === 'string' ? undefined : said;
    writes.forEach(checkPaths);
    const name = requestId && `${writes[0]?.id} ${requestId}`;
    const first = name ? this.batches.get(name) : undefined;
    if (name && (this.requests.has(name) || (first && !isDeepStrictEqual(first.writes, writes)))) {
      throw new Refusal('INVALID_ARGUMENT');
    }
    if (first) return first.answers;
    // Each on a model of its own: what is refused must leave nothing behind here.
    for (const write of writes) {
      this.#refuseTrimmed(write, said);
      const before = this.contexts.get(write.id);
      const alone = new Plain(this.weightMax);
      alone.now = this.now;
      if (before) alone.contexts.set(write.id, structuredClone(before));
      const { epoch, version } = before?.position ?? { epoch: 'alone', version: 0 };
      alone.write(write, { changed: true, position: { epoch, version: version + 1, digest: 'alone' } });
    }
    const results = writes.map((write, i) => this.write(write, answers?.[i]));
    if (name) this.batches.set(name, { writes, answers: results });
    return results;
  }

  touch(id: string, ttl: number | undefined): void {
    const context = this.contexts.get(id);
    if (!context) throw new Refusal('NOT_FOUND');
    const lasts = ttl ?? context.expiry?.ttl ?? 0;
    context.expiry = lasts > 0 ? { at: this.now + lasts, ttl: lasts } : undefined;
  }

  get expired(): string[] {
    return [...this.contexts].filter(([, { expiry }]) => expiry && expiry.at <= this.now).map(([id]) => id);
  }

  touchMembers(id: string, paths: readonly (readonly string[])[], ttl: number | undefined): void {
    if (paths.some((path) => path.length === 0)) throw new Refusal('INVALID_ARGUMENT');
    const context = this.contexts.get(id);
    if (!context) throw new Refusal('NOT_FOUND');
    const members: Times = new Map(context.members);
    for (const path of paths) {
      const before = members.get(JSON.stringify(path));
      if (!before) throw new Refusal('FAILED_PRECONDITION');
      renew(members, path, ttl ?? before.ttl, this.now);
    }
    context.members = members;
  }

  /** Contexts with members whose time is over. */
  get due(): string[] {
    const isDue = ({ members }: PlainContext) => [...members.values()].some(({ at }) => at <= this.now);
    return [...this.contexts].filter(([, context]) => isDue(context)).map(([id]) => id);
  }

  /** The members whose time is over go, all in one version, which is at this position. */
  endMembers(id: string, position: Position): void {
    const before = this.contexts.get(id) as PlainContext;
    const document = copied(before.document);
    const members: Times = new Map(before.members);
    for (const [text, { at }] of before.members) {
      if (at > this.now) continue;
      const path = JSON.parse(text) as string[];
      if (members.has(text)) remove(document, path);
      end(members, path);
    }
    this.#learn(id, before, document, position);
    before.states.set(position.version, { position, document, cause: 'expired' });
    this.contexts.set(id, { ...before, document, members, position, updatedAt: Math.max(this.now, before.updatedAt) });
    this.past.set(id, [...(this.past.get(id) ?? []), { position, document }]);
  }

  #delete({ id, expected, allowMissing }: Write): WriteResult {
    const context = this.contexts.get(id);
    this.#expect(expected, context);
    if (!context) {
      if (allowMissing) return { changed: false };
      throw new Refusal('NOT_FOUND');
    }
    this.contexts.delete(id);
    return { changed: true, position: context.position };
  }

  #edit(write: Exclude<Write, { kind: 'delete' }>, answer: WriteResult | undefined): WriteResult {
    const { id, ttl } = write;
    const before = this.contexts.get(id);
    this.#expect(write.expected, before);
    if (!before && write.kind === 'update' && !write.allowMissing) throw new Refusal('NOT_FOUND');
    const members: Times = new Map(write.kind === 'set' ? [] : before?.members);
    const document = documentAfter(write, before?.document ?? {}, members, this.now);
    const weight = weigh(document);
    if (weight > this.weightMax && weight > weigh(before?.document ?? {})) throw new Refusal('RESOURCE_EXHAUSTED');

    // Time does not go backwards within a context. A time to live is counted from the clock alone.
    const now = Math.max(this.now, before?.updatedAt ?? 0);
    const lasts = ttl ?? before?.expiry?.ttl ?? 0;
    const expiry = lasts > 0 ? { at: this.now + lasts, ttl: lasts } : undefined;
    if (before && isDeepStrictEqual(before.document, document)) {
      before.expiry = expiry;
      before.members = members;
      return { changed: false, position: before.position };
    }
    const position = this.#learn(id, before, document, answer?.position);
    const states = before?.states ?? new Map<number, State>();
    states.set(position.version, { position, document, annotations: write.annotations });
    const createdAt = before?.createdAt ?? now;
    const trimmed = before?.trimmed ?? false;
    this.contexts.set(id, { document, position, createdAt, updatedAt: now, expiry, members, states, trimmed });
    this.past.set(id, [...(this.past.get(id) ?? []), { position, document }]);
    return { changed: true, position };
  }

  /** The new position: one version more in the same life, or the first of a new one; and never seen before. */
  #learn(id: string, before: PlainContext | undefined, document: JsonObject, position: Position | undefined): Position {
    if (!position) throw new Error(`${id}: written, says the model, and Chord gave no position`);
    const { epoch, version, digest } = position;
    const name = `${epoch} ${version} ${digest}`;
    if (version !== (before?.position.version ?? 0) + 1)
      throw new Error(`${id}: version ${version} after ${before?.position.version}`);
    if (before ? epoch !== before.position.epoch : this.#epochs.has(epoch)) throw new Error(`${id}: epoch ${epoch}`);
    if (this.#seen.has(name)) throw new Error(`${id}: position ${name} twice`);
    this.#epochs.add(epoch);
    this.#seen.set(name, document);
    return position;
  }

  /** Deltas may have been dropped: then Chord alone knows whether they reach back to the position of a guard. */
  #refuseTrimmed({ expected, id }: Write, said: unknown): void {
    const trimmed = expected?.kind === 'unchanged' && this.contexts.get(id)?.trimmed;
    if (trimmed && said === 'ABORTED') throw new Refusal('ABORTED');
  }

  #expect(expected: Expected | undefined, context: PlainContext | undefined): void {
    if (!expected) return;
    const met = (expected.checks ?? []).every((check) => meets(context?.document ?? {}, check));
    if (!met || !holds(expected, context)) throw new Refusal('ABORTED');
  }
}

/** The document that a write leads to; `members` takes the times of its members. Throws Refusal. */
export function documentAfter(
  write: Exclude<Write, { kind: 'delete' }>,
  before: JsonObject,
  members: Times = new Map(),
  now = 0,
): JsonObject {
  return write.kind === 'set' ? copied(write.value) : updated(before, write, members, now);
}

function holds(expected: Expected, context: PlainContext | undefined): boolean {
  const position = context?.position;
  switch (expected.kind) {
    case 'checks':
      return true;
    case 'absent':
      return !position;
    case 'version':
      return position?.version === expected.version;
    case 'position':
      return position !== undefined && agrees(expected.position, position);
    case 'unchanged': {
      const { since, paths } = expected;
      let state = context?.states.get(since.version);
      if (!context || !state || !agrees(since, state.position)) return false;
      for (let version = since.version + 1; version <= context.position.version; version++) {
        const next = context.states.get(version) as State;
        if (paths.some((path) => touches((state as State).document, next.document, path))) return false;
        state = next;
      }
      return true;
    }
  }
}

/** Whether a document meets a check. */
export function meets(document: JsonObject, { path, test }: DocumentCheck): boolean {
  let value: Json | undefined = document;
  for (const key of path) value = isObject(value) ? getMember(value, key) : undefined;
  if (test.kind === 'exists') return (value !== undefined) === test.yes;
  if (test.kind === 'equals') return value !== undefined && isDeepStrictEqual(value, test.value);
  if (typeof value !== 'number') return false;
  return test.kind === 'atLeast' ? value >= test.limit : value <= test.limit;
}

function updated(
  before: JsonObject,
  { changes, mutations }: Extract<Write, { kind: 'update' }>,
  members: Times,
  now: number,
): JsonObject {
  const document = copied(before);
  if (changes) merge(document, changes, members, []);
  for (const mutation of mutations) {
    mutate(document, mutation);
    const { kind, path } = mutation;
    if (kind !== 'set' && kind !== 'remove') continue;
    const ttl = kind === 'set' ? mutation.ttl : undefined;
    const own = members.get(JSON.stringify(path));
    end(members, path);
    if (ttl !== undefined) {
      if (own) members.set(JSON.stringify(path), own);
      renew(members, path, ttl, now);
    }
  }
  return document;
}

function merge(target: JsonObject, source: JsonObject, members: Times, path: readonly string[]): void {
  for (const key of Object.keys(source)) {
    const next = getMember(source, key) as Json;
    const old = getMember(target, key);
    if (isObject(next) && isObject(old)) merge(old, next, members, [...path, key]);
    else {
      setMember(target, key, copied(next));
      end(members, [...path, key]);
    }
  }
}

/** Ends the times of a path and of all below it. */
function end(members: Times, path: readonly string[]): void {
  for (const text of [...members.keys()]) {
    const other = JSON.parse(text) as string[];
    if (path.every((key, i) => key === other[i])) members.delete(text);
  }
}

function renew(members: Times, path: readonly string[], ttl: number, now: number): void {
  const before = members.get(JSON.stringify(path));
  const at = before?.ttl === ttl ? Math.max(before.at, now + ttl) : now + ttl;
  members.set(JSON.stringify(path), { at, ttl });
}

function remove(document: JsonObject, path: readonly string[]): void {
  let parent: Json | undefined = document;
  for (const key of path.slice(0, -1)) parent = getMember(parent as JsonObject, key);
  const key = path.at(-1) as string;
  if (!isObject(parent) || !Object.hasOwn(parent, key))
    throw new Error(`${JSON.stringify(path)} expires, and is not there`);
  delete parent[key];
}

/** What no document can make right is refused before any is looked at. */
function checkPaths(write: Write): void {
  const mutations = write.kind === 'update' ? write.mutations : [];
  if (mutations.some(({ path }) => path.length === 0)) throw new Refusal('INVALID_ARGUMENT');
}

function mutate(document: JsonObject, mutation: Mutation): void {
  const path = mutation.path.slice(0, -1);
  const key = mutation.path.at(-1) as string;
  // First whether it can be done, then the objects on the way.
  let parent: Json | undefined = document;
  for (const name of path) {
    parent = parent && getMember(parent, name);
    if (parent !== undefined && !isObject(parent)) throw new Refusal('INVALID_ARGUMENT');
  }
  const value = valueAfter(mutation, parent && getMember(parent, key));
  if (mutation.kind === 'remove') {
    if (parent) delete parent[key];
    return;
  }
  const place = path.reduce((object, name) => {
    if (!Object.hasOwn(object, name)) setMember(object, name, {});
    return getMember(object, name) as JsonObject;
  }, document);
  setMember(place, key, copied(value));
}

function valueAfter(mutation: Mutation, old: Json | undefined): Json {
  switch (mutation.kind) {
    case 'set':
      return mutation.value;
    case 'remove':
      return null;
    case 'increment': {
      const sum =
        typeof (old ?? 0) === 'number' && old !== null ? ((old as number | undefined) ?? 0) + mutation.by : Number.NaN;
      if (!Number.isFinite(sum)) throw new Refusal('INVALID_ARGUMENT');
      return sum;
    }
    case 'append':
      return [...listOf(old), ...mutation.values];
    case 'splice': {
      const list = [...listOf(old)];
      if (mutation.index + mutation.removeCount > list.length) throw new Refusal('INVALID_ARGUMENT');
      list.splice(mutation.index, mutation.removeCount, ...mutation.insert);
      return list;
    }
    case 'append_text':
      return textOf(old) + mutation.text;
    case 'splice_text': {
      const points = [...textOf(old)];
      if (mutation.index + mutation.removeCount > points.length) throw new Refusal('INVALID_ARGUMENT');
      return points.toSpliced(mutation.index, mutation.removeCount, mutation.insert).join('');
    }
  }
}

function textOf(old: Json | undefined): string {
  if (old !== undefined && typeof old !== 'string') throw new Refusal('INVALID_ARGUMENT');
  return old ?? '';
}

function listOf(old: Json | undefined): Json[] {
  if (old !== undefined && !Array.isArray(old)) throw new Refusal('INVALID_ARGUMENT');
  return old ?? [];
}

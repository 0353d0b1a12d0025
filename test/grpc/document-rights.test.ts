/**
 * Rights inside documents: whatever a caller with rights to parts asks, nothing else is in an answer or in an error, and all
 * that it may read is. Each key and value of the documents names its path, so that the bytes of an answer can be searched.
 */
import type { ServiceError } from '@grpc/grpc-js';
import test from 'ava';
import fc from 'fast-check';
import { changesFromProto } from '../../src/codec/changes.js';
import { apply, equal } from '../../src/delta/index.js';
import * as c from '../../src/gen/chord/v1/context_service.js';
import type { Check, Delta, Expected, Mutation, Position, ReturnOptions } from '../../src/gen/chord/v1/model.js';
import {
  SyncServiceService as S,
  type Subscription,
  type WatchContextsResponse,
} from '../../src/gen/chord/v1/sync_service.js';
import { isObject, type Json, type JsonObject } from '../../src/model/model.js';
import { guardedBy, replace } from '../support/access.js';
import { bytesOf, type Method, type Peer } from '../support/chord.js';

const C = c.ContextServiceService;
const PERMISSION_DENIED = 7;
const contextId = 'room:1';
const LETTERS = ['a', 'b'];
const DEPTH = 3;

type Path = readonly string[];
type Grants = readonly { readonly rights: readonly string[]; readonly path: Path }[];

/** The key of a member says where it is: `<a.b>` below `<a>`. */
function pathOf(letters: readonly string[]): string[] {
  return letters.map((_, i) => `<${letters.slice(0, i + 1).join('.')}>`);
}

const letters = fc.array(fc.constantFrom(...LETTERS), { minLength: 1, maxLength: DEPTH });
const path = letters.map(pathOf);

/** A value at each path, of every kind; a leaf names its path and a number of its own. */
const shape = fc.array(fc.tuple(path, fc.constantFrom('text', 'list', 'object')), { maxLength: 6 });

let fresh = 0;
const token = (at: Path): string => `=${at.at(-1)}#${fresh++}=`;

function documentOf(parts: readonly (readonly [Path, string])[]): JsonObject {
  const document: JsonObject = {};
  for (const [at, kind] of parts) {
    const value = kind === 'text' ? token(at) : kind === 'list' ? [token(at), { [`k${token(at)}`]: token(at) }] : {};
    put(document, at, value);
  }
  return document;
}

function put(document: JsonObject, at: Path, value: Json): void {
  let object = document;
  for (const key of at.slice(0, -1)) {
    if (!isObject(object[key])) object[key] = {};
    object = object[key] as JsonObject;
  }
  object[at.at(-1)!] = value;
}

// The specification.

const isWithin = (roots: readonly Path[], at: Path) => roots.some((root) => root.every((key, i) => at[i] === key));
const isAbove = (roots: readonly Path[], at: Path) => roots.some((root) => at.every((key, i) => root[i] === key));

/** What may be read of a value. */
function visible(roots: readonly Path[], value: Json, at: Path = []): Json | undefined {
  if (isWithin(roots, at)) return value;
  if (!isObject(value) || !(at.length === 0 || isAbove(roots, at))) return undefined;
  const kept: JsonObject = {};
  for (const [key, each] of Object.entries(value)) {
    const below = visible(roots, each, [...at, key]);
    if (below !== undefined) kept[key] = below;
  }
  return kept;
}

/** All texts of a value, keys too. */
function textsOf(value: Json | undefined): string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap(textsOf);
  return isObject(value) ? Object.entries(value).flatMap(([key, each]) => [key, ...textsOf(each)]) : [];
}

/** What the runs have met: a law that is never tried holds. */
const met: Record<string, number> = {};
function meet(what: string): void {
  met[what] = (met[what] ?? 0) + 1;
}

// What an administrator did before.

interface Version {
  readonly position: Position;
  readonly document: JsonObject;
  readonly note: string;
}

type Step = { readonly at: Path; readonly kind: string; readonly whole: readonly (readonly [Path, string])[] };
const step: fc.Arbitrary<Step> = fc.record({
  at: path,
  kind: fc.constantFrom('set', 'scalar', 'remove', 'list', 'text', 'replace', 'expiring'),
  whole: shape,
});

async function history(admin: Peer, steps: readonly Step[]): Promise<Version[]> {
  const versions: Version[] = [];
  for (const { at, kind, whole } of steps) {
    const note = `note#${fresh++}=`;
    const annotations = new Map([[note, note]]);
    const set = (value: Json): Partial<Mutation> => ({ path: [...at], operation: { $case: 'set', value } });
    const mutation: Partial<Mutation> =
      kind === 'remove'
        ? { path: [...at], operation: { $case: 'remove', value: true } }
        : kind === 'list'
          ? { path: [...at], operation: { $case: 'append', value: { values: [token(at)] } } }
          : kind === 'text'
            ? { path: [...at], operation: { $case: 'appendText', value: token(at) } }
            : kind === 'scalar'
              ? set(token(at))
              : kind === 'expiring'
                ? { ...set(token(at)), ttl: { seconds: 1000, nanos: 0 } }
                : set({ [`${at.at(-1)!.slice(0, -1)}.a>`]: token([...at, `${at.at(-1)!.slice(0, -1)}.a>`]) });
    // A mutation that does not fit the document changes nothing.
    const written = await (kind === 'replace' || versions.length === 0
      ? admin.set({ contextId, value: documentOf(whole), annotations })
      : admin.update({ contextId, mutations: [mutation as Mutation], annotations })
    ).catch(() => undefined);
    if (!written?.changed) continue;
    versions.push({ position: written.position!, document: await admin.document(contextId), note });
  }
  return versions;
}

// What a caller asks.

interface Answered<A> {
  readonly bytes: Buffer;
  readonly answer?: A;
  readonly code: number;
}

/** A call with the bytes of all that came of it. */
function ask<Q, A>({ client, metadata }: Peer, method: Method<Q, A>, request: Partial<Q>): Promise<Answered<A>> {
  const same = (each: Buffer) => each;
  return new Promise((resolve) => {
    const options = { deadline: Date.now() + 30_000 };
    client.makeUnaryRequest(method.path, same, same, bytesOf(method, request), metadata, options, (error, bytes) => {
      if (!error) resolve({ bytes: bytes!, answer: method.responseDeserialize(bytes!), code: 0 });
      else resolve({ bytes: bytesOfError(error), code: error.code });
    });
  });
}

function bytesOfError({ details, metadata }: ServiceError): Buffer {
  return Buffer.concat([Buffer.from(details), ...(metadata.get('grpc-status-details-bin') as Buffer[])]);
}

/** The events of a watch until it is caught up. */
function caughtUp(peer: Peer, subscriptions: Subscription[], format: string) {
  const same = (each: Buffer) => each;
  const bytes = bytesOf(S.watchContexts, { subscriptions, format, includeOldValues: true });
  const stream = peer.client.makeServerStreamRequest(S.watchContexts.path, same, same, bytes, peer.metadata, {});
  const parts: Buffer[] = [];
  const events: WatchContextsResponse[] = [];
  return new Promise<{ bytes: Buffer; events: WatchContextsResponse[] }>((resolve, reject) => {
    stream.on('error', (error: ServiceError) => error.code !== 1 && reject(error));
    stream.on('data', (part: Buffer) => {
      parts.push(part);
      events.push(S.watchContexts.responseDeserialize(part));
      if (events.at(-1)!.event?.$case !== 'caughtUp') return;
      resolve({ bytes: Buffer.concat(parts), events });
      stream.cancel();
    });
  });
}

const RETURNING: ReturnOptions = { context: true, delta: true, oldValues: true, format: '' };
const FORMATS = ['', 'flat', 'json_patch', 'merge_patch'];
const seconds = (n: number) => ({ seconds: n, nanos: 0 });
const keysOf = (paths: readonly Path[]) => paths.map((keys) => ({ keys: [...keys] }));
const exists = (at: Path): Check => ({ path: { keys: [...at] }, test: { $case: 'exists', value: true } });
const setting = (at: Path, value: Json): Mutation => ({
  path: [...at],
  operation: { $case: 'set', value },
  ttl: undefined,
});

/** One caller against the specification. */
class Reader {
  readonly roots: Readonly<Record<'read' | 'watch' | 'write', readonly Path[]>>;

  constructor(
    private readonly peer: Peer,
    private readonly grants: Grants,
    private readonly versions: readonly Version[],
  ) {
    const of = (right: string) => grants.flatMap(({ rights, path: root }) => (rights.includes(right) ? [root] : []));
    this.roots = { read: of('read'), watch: of('watch'), write: of('write') };
  }

  get last(): Version {
    return this.versions.at(-1)!;
  }

  /** Nothing is in the bytes that may not be read, but for what the request itself says. */
  secret(what: string, right: 'read' | 'watch', bytes: Buffer, said: readonly string[] = []): void {
    const roots = this.roots[right];
    const allowed = new Set([...this.versions.flatMap(({ document }) => textsOf(visible(roots, document))), ...said]);
    // The texts of lists and strings that grow begin with texts before: each token counts by itself.
    const tokens = (text: string) => text.match(/=[^=]*=|<[^>=]*>/g) ?? [text];
    const known = new Set([...allowed].flatMap(tokens));
    for (const key of roots.flat()) known.add(key);
    const found = new Set(bytes.toString('latin1').match(/=<[a-z.]+>#\d+=|<[a-z.]+>/g) ?? []);
    for (const each of found) if (!known.has(each)) this.fail(`${what} tells ${each}`);
    let before: JsonObject = {};
    for (const { document, note } of this.versions) {
      const changed = !equal(visible(roots, before) ?? {}, visible(roots, document) ?? {});
      before = document;
      if (!changed && bytes.includes(note))
        this.fail(`${what} tells the note of a version that changed nothing visible`);
    }
  }

  fail(what: string): never {
    throw new Error(`${what}\n${JSON.stringify([this.grants, this.versions], null, 1)}`);
  }

  same(what: string, actual: unknown, expected: unknown): void {
    if (!equal((actual ?? null) as Json, (expected ?? null) as Json)) {
      this.fail(`${what}: ${JSON.stringify(actual)} in place of ${JSON.stringify(expected)}`);
    }
  }

  may(what: string, right: 'read' | 'watch', { code }: { readonly code: number }): boolean {
    const can = this.roots[right].length > 0;
    if (can === (code === PERMISSION_DENIED)) this.fail(`${what} answers ${code}`);
    const document = this.last.document;
    meet(!can ? 'denied' : equal(visible(this.roots[right], document) ?? {}, document) ? 'whole' : 'cut');
    return can;
  }

  /** What a delta leads to. */
  led(what: string, delta: Delta, right: 'read' | 'watch'): void {
    const at = (position: Position | undefined) =>
      this.versions.find(({ position: { version } }) => version === position?.version)?.document ?? {};
    const [before, after] = [at(delta.from), at(delta.to)].map((document) => visible(this.roots[right], document));
    this.same(what, apply(changesFromProto(delta.changes), before as JsonObject), after);
  }

  async reads(): Promise<void> {
    const { peer, last } = this;
    const roots = this.roots.read;
    for (const { position, document } of this.versions) {
      const got = await ask(peer, C.getContext, { contextId, version: position.version });
      this.secret('get of a version', 'read', got.bytes);
      if (this.may('get', 'read', got)) this.same('get', got.answer!.context!.value, visible(roots, document));
    }
    const whole = await ask(peer, C.getContext, { contextId, includeExpiries: true });
    this.secret('get', 'read', whole.bytes);
    if (this.may('get', 'read', whole)) {
      const outside = whole.answer!.expiries.filter(({ path: at }) => !isWithin(roots, at!.keys));
      this.same('expiries', outside.length, 0);
    }
    const past = await ask(peer, C.getContext, { contextId, at: seconds(Math.ceil(Date.now() / 1000) + 10) });
    this.secret('get at a time', 'read', past.bytes);
    if (this.may('get', 'read', past)) this.same('get at', past.answer!.context!.value, visible(roots, last.document));
    const listed = await ask(peer, C.listContexts, { prefix: 'room:', includeValues: true });
    this.secret('list', 'read', listed.bytes);
    if (this.may('list', 'read', listed)) {
      this.same('list', listed.answer!.contexts[0]!.value, visible(roots, last.document));
    }
  }

  async histories(asked: readonly Path[]): Promise<void> {
    const { peer, last } = this;
    const both = visible(asked, (visible(this.roots.read, last.document) ?? {}) as JsonObject);
    for (const format of FORMATS) {
      for (const known of [undefined, ...this.versions.map(({ position }) => position)]) {
        const synced = await ask(peer, S.syncContext, { contextId, known, format, includeOldValues: true });
        this.secret(`sync ${format}`, 'read', synced.bytes);
        if (!this.may('sync', 'read', synced)) continue;
        const { result } = synced.answer!;
        if (result?.$case === 'delta' && format === '') this.led('sync', result.value, 'read');
        if (result?.$case === 'full')
          this.same('sync', result.value.context!.value, visible(this.roots.read, last.document));
      }
      const deltas = await ask(peer, S.listDeltas, { contextId, format, includeOldValues: true });
      this.secret(`deltas ${format}`, 'read', deltas.bytes);
      if (this.may('deltas', 'read', deltas) && format === '') {
        this.same('deltas', deltas.answer!.deltas.length, this.versions.length);
        for (const delta of deltas.answer!.deltas) this.led('deltas', delta, 'read');
      }
    }
    const some = await ask(peer, S.syncContext, { contextId, paths: keysOf(asked) });
    this.secret('sync of paths', 'read', some.bytes);
    if (this.may('sync', 'read', some) && some.answer!.result?.$case === 'full') {
      this.same('sync of paths', some.answer!.result.value.context!.value, both);
    }
    for (const paths of [[], keysOf(asked)]) {
      const blamed = await ask(peer, S.blameContext, { contextId, paths });
      this.secret('blame', 'read', blamed.bytes);
      if (!this.may('blame', 'read', blamed)) continue;
      const seen = (paths.length > 0 ? both : visible(this.roots.read, last.document)) as JsonObject;
      const told = JSON.stringify(blamed.answer!.lines);
      for (const text of textsOf(seen).flatMap((each) => each.match(/=<[a-z.]+>#\d+=/g) ?? [])) {
        if (!told.includes(text)) this.fail(`blame lacks ${text}`);
      }
    }
  }

  async watches(asked: readonly Path[]): Promise<void> {
    const { peer, last } = this;
    const roots = this.roots.watch;
    const targets: Subscription['target'][] = [
      { $case: 'contextId', value: contextId },
      { $case: 'prefix', value: 'room:' },
    ];
    for (const target of targets) {
      for (const format of FORMATS) {
        for (const known of [undefined, this.versions[0]!.position]) {
          const subscription = { target, known: new Map(known ? [[contextId, known]] : []), paths: [] };
          const came = await caughtUp(peer, [subscription], format).catch(({ code }) => ({
            code,
            bytes: Buffer.alloc(0),
            events: [],
          }));
          this.secret('watch', 'watch', came.bytes);
          if (!this.may('watch', 'watch', { code: 'code' in came ? came.code : 0 })) continue;
          for (const { event } of came.events) {
            if (event?.$case === 'full') this.same('watch', event.value.context!.value, visible(roots, last.document));
            if (event?.$case === 'delta' && format === '') this.led('watch', event.value, 'watch');
          }
        }
      }
    }
    for (const at of asked) {
      const until = [{ path: { keys: [...at] }, test: { $case: 'exists' as const, value: hasAt(last.document, at) } }];
      const waited = await ask(peer, S.waitContext, { contextId, until, known: this.versions[0]!.position });
      this.secret('wait', 'watch', waited.bytes, at);
      this.same('wait', waited.code, isWithin(roots, at) ? 0 : PERMISSION_DENIED);
    }
  }

  /** Writes that are refused, or change what they may. Answers the document after them. */
  async writes(admin: Peer, asked: readonly Path[]): Promise<void> {
    const { peer, last } = this;
    const { read, write } = this.roots;
    const said = (at: Path) => [...at, ...textsOf(value)];
    const value = token(['mine']);
    let document = last.document;
    const check = async (what: string, at: Path, { code, bytes }: Answered<unknown>, named: boolean, reads = true) => {
      this.secret(what, 'read', bytes, [...said(at), ...said(pathOf(['a', 'b']))]);
      const now = await admin.document(contextId);
      if (!named || !reads) this.same(`${what} outside`, code, PERMISSION_DENIED);
      meet(code === 0 ? 'written' : 'refused');
      if (code !== 0) this.same(`${what}, refused with ${code},`, now, document);
      this.same(`${what} outside`, rest(write, now), rest(write, document));
      document = now;
    };
    for (const at of asked) {
      const inside = isWithin(write, at);
      const nested: JsonObject = {};
      put(nested, at, value);
      const returning = read.length > 0 ? RETURNING : undefined;
      await check(
        'set in a path',
        at,
        await ask(peer, C.updateContext, { contextId, mutations: [setting(at, value)], returning }),
        inside,
      );
      await check('changes', at, await ask(peer, C.updateContext, { contextId, changes: nested, returning }), inside);
      const remove: Mutation = { path: [...at], operation: { $case: 'remove', value: true }, ttl: undefined };
      await check('remove', at, await ask(peer, C.updateContext, { contextId, mutations: [remove] }), inside);
      const lives = { contextId, changes: nested, ttl: seconds(1000) };
      await check('a time to live', at, await ask(peer, C.updateContext, lives), false);
      await check('touch', at, await ask(peer, C.touchContext, { contextId, paths: keysOf([at]) }), inside);
      for (const expected of conditionsOn(at, this.versions[0]!.position)) {
        const mutations = [setting(at, value)];
        const conditioned = await ask(peer, C.updateContext, { contextId, mutations, expected });
        await check('a condition', at, conditioned, inside, isWithin(read, at));
        const update = {
          contextId,
          mutations,
          expected,
          changes: undefined,
          allowMissing: false,
          requestId: '',
          ttl: undefined,
          returning,
          annotations: new Map(),
        };
        const batch = await ask(peer, C.batchWrite, { writes: [{ write: { $case: 'update', value: update } }] });
        await check('a batch', at, batch, inside, isWithin(read, at));
      }
    }
    const wholly: [string, Promise<Answered<unknown>>][] = [
      ['set', ask(peer, C.setContext, { contextId, value: {} })],
      ['revert', ask(peer, C.revertContext, { contextId, version: 1 })],
      ['delete', ask(peer, C.deleteContext, { contextId })],
      ['touch', ask(peer, C.touchContext, { contextId, ttl: seconds(1) })],
    ];
    for (const [what, answered] of wholly) await check(what, [], await answered, false);
  }
}

function conditionsOn(at: Path, since: Position): Expected[] {
  return [
    { condition: undefined, checks: [exists(at)] },
    { condition: { $case: 'unchanged', value: { since, paths: keysOf([at]) } }, checks: [] },
  ];
}

function hasAt(document: JsonObject, at: Path): boolean {
  let value: Json | undefined = document;
  for (const key of at) value = isObject(value) ? value[key] : undefined;
  return value !== undefined;
}

/** What is outside these parts, without objects on the way to them, which a write into them may make. */
function rest(roots: readonly Path[], value: Json, at: Path = []): Json | undefined {
  if (isWithin(roots, at)) return undefined;
  if (!isObject(value)) return value;
  const kept: JsonObject = {};
  for (const [key, each] of Object.entries(value)) {
    const below = rest(roots, each, [...at, key]);
    if (below !== undefined) kept[key] = below;
  }
  return Object.keys(kept).length === 0 && (at.length === 0 || isAbove(roots, at)) ? undefined : kept;
}

const grant = fc.record({
  rights: fc.uniqueArray(fc.constantFrom('read', 'write', 'watch'), { minLength: 1 }),
  path,
});

/** Rights to all that there is, to one of two members, and to nothing: few runs by chance may meet none of them. */
const written: Step[] = [
  { at: pathOf(['a']), kind: 'replace', whole: [pathOf(['a', 'a']), pathOf(['a', 'b'])].map((at) => [at, 'text']) },
];
const examples = [[pathOf(['a'])], [pathOf(['a', 'b'])], []].map((paths): [Grants, Step[], Path[]] => [
  paths.map((path) => ({ rights: ['read', 'write', 'watch'], path })),
  written,
  [pathOf(['a', 'a'])],
]);

test('law: nothing but what a caller may read is in any answer or error, and all that is', async (t) => {
  const identities = (grants: Grants) => ({
    admin: { grants: [{ prefix: '', rights: ['read', 'write', 'watch'] }] },
    ann: { grants: grants.map((each) => ({ context: 'room:', ...each })) },
  });
  const { as, tokens, chord, rulesFile } = await guardedBy(
    t,
    ['admin', 'ann'],
    JSON.stringify({ identities: identities([]) }),
  );
  const [admin, ann] = [as(tokens.admin), as(tokens.ann)];
  const asked = fc.array(path, { minLength: 1, maxLength: 2 });
  await fc.assert(
    fc.asyncProperty(
      fc.array(grant, { maxLength: 3 }),
      fc.array(step, { minLength: 2, maxLength: 8 }),
      asked,
      async (grants, steps, paths) => {
        await admin.delete({ contextId, allowMissing: true });
        await replace(rulesFile, JSON.stringify({ identities: identities(grants) }));
        await chord.reload();
        const versions = await history(admin, steps);
        if (versions.length === 0) return;
        const reader = new Reader(ann, grants, versions);
        await reader.reads();
        await reader.histories(paths);
        await reader.watches(paths);
        await reader.writes(admin, paths);
      },
    ),
    { numRuns: Number(process.env.CHORD_TEST_RUNS ?? 8), examples },
  );
  t.deepEqual(Object.keys(met).sort(), ['cut', 'denied', 'refused', 'whole', 'written'], JSON.stringify(met));
});

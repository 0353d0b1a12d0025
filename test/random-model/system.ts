/** Chord in this process beside the plain model: carries commands out on both and compares what can be seen. */
import { isDeepStrictEqual } from 'node:util';
import type { RetentionRules } from '../../src/cleanup/policy.js';
import { decodeChanges } from '../../src/codec/changes.js';
import { decodeProvenance } from '../../src/codec/provenance.js';
import { decodeStruct } from '../../src/codec/struct.js';
import type { SyncResult } from '../../src/contexts/events.js';
import { Formats } from '../../src/contexts/sync/formats.js';
import { fit } from '../../src/contexts/sync/projection.js';
import type { BatchedWrite } from '../../src/contexts/writes/batch.js';
import type { WriteResult } from '../../src/contexts/writes/writes.js';
import { apply } from '../../src/delta/index.js';
import { projectDocument, projectionOf } from '../../src/delta/projection.js';
import { hasSplices } from '../../src/delta/whole-values.js';
import { ChordError } from '../../src/model/errors.js';
import { type JsonObject, type Position, usedAt } from '../../src/model/model.js';
import { type Engine, openChord } from '../../src/server/app.js';
import type { Store } from '../../src/store/store.js';
import { agrees, type Copy, describe, documentOf, follow, implausible, Reader } from '../support/reader.js';
import { planOf } from '../support/thinning.js';
import { type Left, Moments } from './batches.js';
import { Plain, Refusal, type Write } from './plain.js';

const PART = projectionOf([['a', 'b'], ['list'], ['__proto__', 'n']]);
/** A format whose lists and strings come whole. */
const FLAT = new Formats().form('flat', false);

export interface Settings {
  readonly cacheBytes: number;
  readonly deltaThreshold: number;
}

export interface Clean {
  readonly options: RetentionRules;
  readonly prefix: string;
  readonly limit?: number | undefined;
}

export const WEIGHT_MAX = 2048;

/** Opens the store again as it was left; a memory store is only handed on. */
export type Reopen = (old: Store | undefined) => Promise<Store>;

export class System {
  readonly plain = new Plain(WEIGHT_MAX);
  readonly readers: Reader[] = [];
  readonly moments = new Moments();
  #engine!: Engine;

  private constructor(
    private readonly settings: Settings,
    private readonly reopen: Reopen,
  ) {}

  static async open(settings: Settings, reopen: Reopen): Promise<System> {
    const system = new System(settings, reopen);
    await system.#open();
    return system;
  }

  get store(): Store {
    return this.#engine.store;
  }

  get contexts() {
    return this.#engine.contexts;
  }

  /**
   * Submits all at once. What comes back must be what the model makes of them in this order. A guard may have to read
   * history, and its write then takes effect behind those that were submitted after it: then one by one.
   */
  async write(writes: readonly Write[]): Promise<void> {
    if (writes.length > 1 && writes.some(({ expected }) => expected?.kind === 'unchanged')) {
      for (const write of writes) await this.write([write]);
      return;
    }
    const answers = await Promise.allSettled(writes.map((write) => this.#submit(write)));
    writes.forEach((write, index) => {
      const answer = answers[index] as PromiseSettledResult<WriteResult>;
      // While a refused one is looked up, one under the same name may be stored: that is no mistake of Chord.
      const later = writes
        .slice(index + 1)
        .some(({ id, requestId }) => id === write.id && requestId === write.requestId);
      this.#compare(write, answer, later && write.requestId !== undefined);
    });
  }

  /** The same as one, as far as the store can hold their contexts together. */
  async batch(asked: readonly Write[], requestId: string | undefined): Promise<void> {
    const ids = asked.map(({ id }) => id);
    const apart = this.store.cluster?.apart(ids) ?? [];
    const writes = asked.filter(({ id }, i) => ids.indexOf(id) === i && !apart.includes(id));
    const batched = structuredClone(writes).map(({ requestId: _, ...write }) => write as BatchedWrite);
    const answers = await this.contexts.batch(batched, requestId ? { requestId } : {}).catch(reasonOf);
    let expected: readonly WriteResult[] | undefined;
    const plain = writes.map(({ requestId: _, ...write }) => write as Write);
    const refusal = refusalOf(() => {
      expected = this.plain.batch(plain, requestId, answers);
    });
    const what = `a batch of ${JSON.stringify(writes)}`;
    if (typeof answers === 'string') return same(answers, refusal, what);
    const told = ({ changed, position }: WriteResult) => ({ changed, position });
    same(answers.map(told), expected?.map(told), `${what} ${refusal}`);
    this.moments.written(new Map(writes.flatMap((write, i) => leftBy(write, answers[i]))));
  }

  async touch(id: string, ttl: number | undefined): Promise<void> {
    const answer = await this.contexts.touch(id, ttl).catch(reasonOf);
    const expected = refusalOf(() => this.plain.touch(id, ttl));
    same(typeof answer === 'string' ? answer : undefined, expected, `touch ${id}`);
  }

  async touchMembers(id: string, paths: readonly (readonly string[])[], ttl: number | undefined): Promise<void> {
    const answer = await this.contexts.touchMembers(id, paths, ttl).catch(reasonOf);
    const expected = refusalOf(() => this.plain.touchMembers(id, paths, ttl));
    same(typeof answer === 'string' ? answer : undefined, expected, `touch ${JSON.stringify(paths)} of ${id}`);
  }

  async get(id: string): Promise<void> {
    const view = await this.contexts.get(id).catch(reasonOf);
    const context = this.plain.contexts.get(id);
    if (typeof view === 'string' || !context) {
      same(view, 'NOT_FOUND', `get ${id}`);
      return;
    }
    const { createdAt, updatedAt, position, expiry } = context;
    same(documentOf(view), context.document, `the document of ${id}`);
    const { weight: _, touchedAt: _touched, members, ...head } = view.head;
    same(head, { position, createdAt, updatedAt, ...(expiry && { expiry }) }, `the head of ${id}`);
    if (context.members.size === 0) return same(members, undefined, `the members of ${id} that expire`);
    const { expiries } = await this.contexts.getWithExpiries(id);
    const times = new Map(expiries.map((each) => [JSON.stringify(each.path), each.at]));
    same(times, new Map([...context.members].map(([text, { at }]) => [text, at])), `when members of ${id} expire`);
  }

  async list(prefix: string, pageSize: number): Promise<void> {
    const listed: string[] = [];
    for (let pageToken = ''; ; ) {
      const page = await this.contexts.list(prefix, { pageSize, pageToken });
      if (page.heads.length > pageSize) throw new Error('a page that is too long');
      listed.push(...page.heads.map(({ id, head }) => `${id} ${describe(head.position)}`));
      pageToken = page.nextPageToken;
      if (pageToken === '') break;
    }
    const all = [...this.plain.contexts].filter(([id]) => id.startsWith(prefix));
    const ids = all.map(([id, { position }]) => `${id} ${describe(position)}`);
    same(
      listed,
      ids.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))),
      `list ${prefix}`,
    );
  }

  async sync(id: string, known: Position | undefined, value: JsonObject | undefined): Promise<void> {
    const result = await this.contexts.sync(id, known);
    const context = this.plain.contexts.get(id);
    if (!context || result.kind === 'missing') {
      same(result.kind, context ? 'there' : 'missing', `sync ${id}`);
      return;
    }
    const { position: head, document } = context;
    const what = `sync ${id} from ${describe(known)} at ${describe(head)}: ${result.kind}`;
    if (result.kind === 'no_change') {
      same(result.position, head, what);
      if (!known || !agrees(known, head)) throw new Error(what);
    } else if (result.kind === 'full') {
      same(documentOf(result.view), document, what);
      same(result.view.head.position, head, what);
      this.#checkReason(id, result, known);
    } else {
      same(result.delta.to, head, what);
      same(follow(known && { position: known, value }, result.delta), document, what);
    }
    const part = await fit(result, { scope: PART, form: FLAT }, this.contexts.wholeValues);
    if (part.kind === 'full') same(documentOf(part.view), projectDocument(document, PART), `${what}, a part of it`);
    if (part.kind !== 'delta' || !value) return;
    const less = follow(known && { position: known, value: projectDocument(value, PART) }, part.delta);
    same(less, projectDocument(document, PART), `${what}, a part of it`);
    const splices = hasSplices(decodeChanges(part.delta.payload.changes), 'lists and strings');
    if (splices && !context.trimmed) throw new Error(`${what}: a splice in place of a whole value`);
  }

  async past(id: string, version: number): Promise<void> {
    const view = await this.contexts.past.atVersion(id, version).catch(reasonOf);
    const context = this.plain.contexts.get(id);
    const state = context?.states.get(version);
    const what = `version ${version} of ${id}`;
    if (!context || version > context.position.version) same(view, 'NOT_FOUND', what);
    else if (typeof view === 'string') {
      same(view, 'FAILED_PRECONDITION', what);
      if (!context.trimmed && version > 0) throw new Error(`${what} is refused without reason`);
    } else {
      same(documentOf(view), state?.document, what);
      same(view.head.position, state?.position, what);
    }
  }

  async deltas(id: string, from: number, pageSize: number): Promise<void> {
    const context = this.plain.contexts.get(id);
    const what = `deltas of ${id} after ${from}`;
    let at: number | undefined;
    for (let pageToken = '', first = true; first || pageToken !== ''; first = false) {
      const page = await this.contexts.deltas(id, from, { pageSize, pageToken }).catch(reasonOf);
      if (typeof page === 'string' || !context) {
        same(page, 'NOT_FOUND', what);
        return;
      }
      same(page.head, context.position, what);
      if (page.deltas.length > pageSize) throw new Error(`${what}: a page that is too long`);
      if (page.truncated && !context.trimmed) throw new Error(`${what}: truncated without reason`);
      for (const delta of page.deltas) {
        if (at === undefined && !page.truncated) same(delta.from.version, from, what);
        if (at !== undefined) same(delta.from.version, at, what);
        at = delta.to.version;
        const before = delta.from.version === 0 ? {} : context.states.get(delta.from.version)?.document;
        const after = context.states.get(at);
        const changes = decodeChanges(delta.payload.changes, delta.payload.olds);
        same(apply(changes, before ?? {}), after?.document, `${what}: version ${at}`);
        same(delta.to, after?.position, what);
        // Of several versions, what they have in common.
        const single = delta.to.version === delta.from.version + 1;
        if (single || delta.cause) same(delta.cause, after?.cause, `${what}: the cause`);
        if (single || delta.provenance)
          same(decodeProvenance(delta.provenance).annotations, after?.annotations ?? {}, `${what}: annotations`);
      }
      pageToken = page.nextPageToken;
    }
    const head = context?.position.version ?? 0;
    if (at === undefined ? from < head && !context?.trimmed : at !== head) throw new Error(`${what} end at ${at}`);
  }

  watch(targets: readonly string[], known: ReadonlyMap<string, Copy>, stalled: boolean): void {
    const reader = new Reader(targets, known);
    reader.stalled = stalled;
    this.moments.follow(reader);
    this.readers.push(reader.open(this.contexts, this.#engine.hub));
  }

  async drop(reader: Reader): Promise<void> {
    reader.watcher.close();
    this.readers.splice(this.readers.indexOf(reader), 1);
  }

  /** Whatever expires is found out in one of the ways in which it can be; so the model need not guess when. */
  async moveClock(by: number, how: 'get' | 'sync' | 'write' | 'sweep'): Promise<void> {
    this.plain.now = Math.max(1, this.plain.now + by);
    for (const id of this.plain.expired) {
      this.plain.contexts.delete(id);
      if (how === 'get') await this.get(id);
      if (how === 'sync') await this.sync(id, undefined, undefined);
      if (how === 'write') await this.write([{ kind: 'set', id, value: { after: 'expiry' } }]);
      else await this.contexts.expire(id);
    }
    for (const id of this.plain.due) {
      if (how === 'sync') await this.contexts.sync(id, undefined);
      if (how === 'sweep') await this.contexts.endMembers(id);
      const written = how === 'write' ? await this.contexts.update(id, { changes: {} }) : undefined;
      const position = written?.position ?? (await this.contexts.get(id)).head.position;
      this.plain.endMembers(id, position);
      if (written) this.plain.write({ kind: 'update', id, changes: {}, mutations: [] }, written);
      await this.get(id);
    }
  }

  async trim(id: string, version: number): Promise<void> {
    const count = await this.store.trim(id, version);
    const context = this.plain.contexts.get(id);
    if (count > 0 && context) context.trimmed = true;
  }

  /** Merges versions away as the list says, again and again. */
  async thin(id: string, merges: readonly boolean[]): Promise<void> {
    const plan = () => {
      let i = 0;
      return planOf(() => merges[i++ % merges.length] as boolean);
    };
    const expected = await this.contexts.thin(id, plan(), true);
    const count = await this.contexts.thin(id, plan());
    same(count, expected, `versions of ${id} that are merged away`);
    const context = this.plain.contexts.get(id);
    if (count > 0 && context) context.trimmed = true;
  }

  /** A dry run tells what the real run does; that takes nothing that is not due, and leaves nothing that is. */
  async cleanUp(task: Clean, meanwhile: () => Promise<void>): Promise<void> {
    const { cleanup } = this.#engine;
    const dry = await cleanup.run({ ...task, dryRun: true });
    const real = await cleanup.run(task);
    same(real.items, dry.items, 'the dry run');
    same(real.failed, 0, 'failures');
    const { contextAutoDelete, contextTtl, deltaThreshold } = task.options;
    const idleSince = contextAutoDelete ? this.plain.now - contextTtl : Number.NEGATIVE_INFINITY;
    for (const { id, reason } of real.items) {
      const context = this.plain.contexts.get(id);
      if (!context || !id.startsWith(task.prefix)) throw new Error(`${reason}: ${id}, which is not to be`);
      if (reason === 'trimmed') context.trimmed = true;
      else if (reason === 'idle' && !context.expiry && context.updatedAt <= idleSince) this.plain.contexts.delete(id);
      else throw new Error(`${reason}: ${id}, which is in use`);
    }
    if (task.limit === undefined) {
      for (const { id, head } of (await this.store.list(task.prefix, undefined, 1000)).heads) {
        const left = await this.store.deltas(id, 0, 1);
        const oldest = left.kind === 'truncated' ? left.oldest : 1;
        // A merged delta counts as one.
        const kept = await this.store.deltas(id, oldest - 1, 1000);
        if (kept.kind === 'records' && kept.records.length - 1 > deltaThreshold)
          throw new Error(`${id} has too many deltas left`);
        if (!head.expiry && usedAt(head) <= idleSince) throw new Error(`${id} is idle, and left`);
      }
    }
    // Once more, as writes come in: what has just been swept is not due again.
    const again = cleanup.run({ ...task, options: { ...task.options, contextAutoDelete: false } });
    await meanwhile();
    for (const { id, reason } of (await again).items) {
      const context = this.plain.contexts.get(id);
      if (reason !== 'trimmed') throw new Error(`${reason}: ${id}, as it was written to`);
      if (context) context.trimmed = true;
    }
  }

  /** Everyone who watches goes on with what they have. */
  async restart(): Promise<void> {
    for (const reader of this.readers) reader.watcher.close();
    await Promise.all(this.readers.map(({ opened }) => opened));
    await this.#open();
    for (const reader of this.readers.splice(0)) {
      if (reader.error) throw reader.error;
      this.watch(reader.targets, reader.copies, reader.stalled);
    }
  }

  /** Every reader that reads has what the model has. */
  async checkReaders(): Promise<void> {
    for (const reader of this.readers) {
      if (reader.error) throw reader.error;
      if (reader.stalled || reader.room < Number.POSITIVE_INFINITY) continue;
      await reader.beat();
      const matches = (id: string) =>
        reader.targets.some((target) => (target.endsWith('*') ? id.startsWith(target.slice(0, -1)) : id === target));
      const expected = [...this.plain.contexts].filter(([id]) => matches(id));
      const what = `a reader of ${reader.targets}, which got ${reader.log}`;
      same(new Set(reader.copies.keys()), new Set(expected.map(([id]) => id)), what);
      for (const [id, { position, document }] of expected) {
        const copy = reader.copies.get(id);
        same(copy?.value, document, `${what}: ${id}`);
        // One that named only a version, and was current, has heard of nothing else.
        if (!copy || !agrees(copy.position, position)) throw new Error(`${what}: ${id} at ${describe(position)}`);
      }
    }
  }

  /** In the end: everyone reads on, and what is stored is right by itself. */
  async finish(): Promise<void> {
    for (const reader of this.readers) reader.resume();
    await this.checkReaders();
    await this.restart();
    await this.checkReaders();
    this.moments.check(this.plain);
    for (const [id, { document, position }] of this.plain.contexts) {
      const stored = await this.store.load(id);
      const start = stored?.snapshot ? decodeStruct(stored.snapshot.bytes) : {};
      const folded = stored?.records.reduce(
        (doc, { changes, olds }) => apply(decodeChanges(changes, olds), doc),
        start,
      );
      same(folded, document, `${id} as it is stored`);
      same(stored?.head.position, position, `${id} as it is stored`);
      await this.get(id);
    }
    await this.list('', 2);
  }

  async close(): Promise<void> {
    for (const reader of this.readers) reader.watcher.close();
    await this.#engine.close();
  }

  async #open(): Promise<void> {
    const store = await this.reopen(this.#engine?.store);
    this.#engine = await openChord({
      store,
      clock: () => this.plain.now,
      maxDocumentBytes: WEIGHT_MAX,
      // The model forgets no request, and knows of no trims but those of a sweep.
      requestTtl: 86_400_000,
      cleanupInterval: 0,
      ...this.settings,
    });
  }

  #submit(write: Write): Promise<WriteResult> {
    const { id, requestId, expected, allowMissing, annotations } = structuredClone(write);
    // Copies: Chord takes the values over, and the model goes on using them.
    if (write.kind === 'delete') return this.contexts.delete(id, { requestId, expected, allowMissing, annotations });
    const named = { requestId, expected, annotations };
    const options = { ...named, ttl: write.ttl, returning: { context: true, delta: true } };
    if (write.kind === 'set') return this.contexts.set(id, write.value, options);
    const { changes, mutations } = write;
    return this.contexts.update(id, { changes, mutations }, { ...options, allowMissing });
  }

  #compare(write: Write, answer: PromiseSettledResult<WriteResult>, ambiguous: boolean): void {
    const what = `${write.kind} ${write.id}`;
    const given = answer.status === 'fulfilled' ? answer.value : undefined;
    const before = this.plain.contexts.get(write.id);
    let expected: WriteResult | undefined;
    const refusal = refusalOf(() => {
      expected = this.plain.write(write, given ?? reasonOf((answer as PromiseRejectedResult).reason));
    });
    if (ambiguous && !expected?.position) return;
    if (answer.status === 'rejected') {
      same(reasonOf(answer.reason), refusal, what);
      return;
    }
    same(
      { changed: given?.changed, position: given?.position },
      { changed: expected?.changed, position: expected?.position },
      `${what} ${refusal}`,
    );
    const after = this.plain.contexts.get(write.id);
    if (given?.view && after?.position === expected?.position)
      same(documentOf(given.view), after?.document, `${what}: its view`);
    if (given?.delta && after?.position === expected?.position && expected?.changed) {
      const copy = before && given.delta.from.version > 0 ? before : { position: given.delta.from, document: {} };
      if (copy.position.version === given.delta.from.version) {
        same(
          follow({ position: copy.position, value: copy.document }, given.delta),
          after?.document,
          `${what}: its delta`,
        );
      }
    }
  }

  #checkReason(id: string, { reason }: Extract<SyncResult, { kind: 'full' }>, known: Position | undefined): void {
    const context = this.plain.contexts.get(id)!;
    const { position, trimmed, states } = context;
    const problem = implausible(reason, known, position);
    if (problem) throw new Error(`${id}: ${problem}`);
    const behind = position.version - (known?.version ?? 0);
    if (reason === 'history_truncated' && !trimmed && behind <= this.settings.deltaThreshold) {
      throw new Error(`${id}: ${describe(known)} can have a delta to ${describe(position)}`);
    }
    if (reason === 'diverged' && known && agrees(known, states.get(known.version)?.position ?? position)) {
      throw new Error(`${id}: ${describe(known)} did not diverge`);
    }
  }
}

/** Where a write has changed something. */
function leftBy({ id, kind }: Write, result: WriteResult | undefined): [string, Left][] {
  return result?.changed && result.position ? [[id, { position: result.position, gone: kind === 'delete' }]] : [];
}

function reasonOf(error: unknown): string {
  if (error instanceof ChordError) return error.reason;
  throw error;
}

function refusalOf(run: () => void): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    if (error instanceof Refusal) return error.reason;
    throw error;
  }
}

/** Throws, so that fast-check can shrink. */
function same(actual: unknown, expected: unknown, what: string): void {
  if (isDeepStrictEqual(actual, expected)) return;
  throw new Error(`${what}\nChord ${show(actual)}\nmodel ${show(expected)}`);
}

function show(value: unknown): string {
  return (
    JSON.stringify(value, (_, member) => (member instanceof Map || member instanceof Set ? [...member] : member)) ??
    'undefined'
  );
}

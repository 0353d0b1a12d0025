/**
 * Holds what clients and readers saw against what is durable, as it is seen; and keeps the history for the checker. Throws
 * at the first thing that Chord does not allow.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Expected } from '../../../src/contexts/writes/conditions.js';
import type { JsonObject, Position } from '../../../src/model/model.js';
import { documentAfter, meets, type Write } from '../../random-model/plain.js';
import { agrees } from '../../support/reader.js';
import { touches } from '../../support/touches.js';
import type { History, Operation, Touch } from '../checker/history.js';
import { isSplice, wrongCarry } from './carried.js';
import { type Disk, nameOf, type State } from './disk.js';
import { type Member, type Members, membersAfter, membersLeft } from './members.js';
import { isPassing, MARK, type Single } from './requests.js';

const NONE: Members = new Map();

/** One operation of a client, whatever the number of its attempts. */
export class Call {
  called = 0;
  returned = Number.POSITIVE_INFINITY;
  /** The clock at its call and its answer. */
  calledAt = 0;
  answeredAt = Number.POSITIVE_INFINITY;
  /** The contexts whose members it may renew. */
  renews: readonly string[] = [];
  /** The request arrived more than once, or may have: a refusal then says nothing. */
  repeated = false;
  touches: Touch[] = [];
  /** What the first attempt that was answered said. */
  answer: string | undefined;

  constructor(
    readonly number: number,
    readonly name: string,
    readonly writes: readonly Single[],
  ) {}
}

export class Judge {
  readonly calls: Call[] = [];
  /** Which states each call made: by number, then by context. */
  readonly #made = new Map<number, Map<string, State>>();
  /** Places of acknowledged states, with the clock at their answer, by context. */
  readonly #acknowledged = new Map<string, { readonly at: number; readonly place: number }[]>();
  /** Contexts may go without a delete. */
  idleMayGo = false;
  /** The first thing that was wrong where nobody waited for an answer. */
  failure: unknown;

  constructor(
    private readonly disk: Disk,
    /** The latest time that any clock has shown. */
    private readonly latest: () => number,
    /** Whether the clock was set back since this call. */
    private readonly setBackSince: (call: Call) => boolean,
  ) {}

  /** A state has become durable: exactly one write that was called, and not yet carried out, leads to it. */
  committed(id: string, before: State, state: State): void {
    if (state.expired) {
      state.members = membersLeft(id, before.document, before.members ?? NONE, state.document, this.latest());
      return;
    }
    const number = state.document[MARK] as number;
    const call = this.calls[number];
    const write = call?.writes.find((each) => each.id === id);
    const made = this.#made.get(number) ?? new Map<string, State>();
    if (!write || write.kind === 'delete' || write.kind === 'revert' || made.has(id)) {
      if (this.#isReverted(id, state)) return;
      if (made.has(id)) throw new Error(`${call?.name} happened twice on ${id}`);
      throw new Error(`${id} ${nameOf(state.position!)}: no write leads to ${JSON.stringify(state.document)}`);
    }
    this.#expect(call!.name, id, write.expected, before);
    if (!this.#leadsTo(write, before, state)) {
      throw new Error(
        `${call?.name} on ${JSON.stringify(before.document)} does not lead to ${JSON.stringify(state.document)}`,
      );
    }
    const times = {
      called: this.setBackSince(call!) ? Number.NEGATIVE_INFINITY : call!.calledAt,
      latest: this.latest(),
    };
    state.members = membersAfter(write, before.members ?? NONE, times);
    this.#made.set(number, made.set(id, state));
  }

  /** A client or a reader has this document at this position. */
  saw(who: string, id: string, position: Position, document?: JsonObject): State {
    const state = this.disk.at(id, position);
    if (!state) throw new Error(`${who}: ${id} at ${nameOf(position)}, which is not durable`);
    state.seen = true;
    if (document && !isDeepStrictEqual(document, state.document)) {
      throw new Error(`${who}: ${id} at ${nameOf(position)} is ${JSON.stringify(document)}`);
    }
    return state;
  }

  /** A list may be ahead of what is acknowledged: a client that names such a state to other calls is ahead of them. */
  listed(call: Call, id: string, position: Position): void {
    if (!this.disk.at(id, position))
      throw new Error(`${call.name}: ${id} at ${nameOf(position)}, which is not durable`);
    call.touches.push({ context: id, kind: 'reads', state: nameOf(position) });
  }

  reads(call: Call, id: string, position: Position | null): void {
    if (position) this.saw(call.name, id, position);
    else if (isPassing(id) || this.idleMayGo) return;
    call.touches.push({ context: id, kind: 'reads', state: position && nameOf(position) });
  }

  /** What a read shows must not have expired when it was called. */
  shows(call: Call, id: string, position: Position): void {
    for (const [path, member] of this.disk.at(id, position)?.members ?? NONE) {
      // Over a restart it may live once more as long.
      const until = this.#renewedUntil(id, member) + member.ttl;
      if (call.calledAt > until) {
        throw new Error(
          `${call.name}: ${id} at ${nameOf(position)} with ${path}, which expired ${call.calledAt - until} ms ago`,
        );
      }
    }
  }

  /** The renewal was answered at this position. */
  renewed(call: Call, id: string, path: readonly string[], position: Position): void {
    const member = this.disk.at(id, position)?.members?.get(JSON.stringify(path));
    if (!member) throw new Error(`${call.name} renewed nothing at ${nameOf(position)}`);
    if (!this.setBackSince(call)) member.from = Math.max(member.from, call.calledAt + member.ttl);
  }

  #renewedUntil(id: string, { ttl, until }: Member): number {
    let last = until;
    for (const { renews, writes, calledAt, answeredAt } of this.calls) {
      if (!renews.includes(id) || calledAt > last + ttl) continue;
      // A revert to the current version ends all times without a new version.
      const reverts = writes.some((each) => each.id === id && each.kind === 'revert');
      last = reverts ? Number.POSITIVE_INFINITY : Math.max(last, answeredAt + ttl);
    }
    return last;
  }

  /** `clock`: the time of the answer. */
  wrote(call: Call, write: Single, changed: boolean, position: Position | undefined, clock: number): void {
    if (!changed || !position) {
      const state = position && this.saw(call.name, write.id, position);
      if (state && (write.kind === 'set' || write.kind === 'update')) this.#changesNothing(call, write, state);
      this.reads(call, write.id, position ?? null);
    } else if (write.kind === 'delete') this.#deleted(call, write, position, clock);
    else this.#edited(call, write, position, clock);
  }

  #changesNothing(call: Call, write: Exclude<Write, { kind: 'delete' }>, { document }: State): void {
    if (isDeepStrictEqual(documentAfter(write, document), document)) return;
    throw new Error(`${call.name} changed nothing in ${JSON.stringify(document)}`);
  }

  #deleted(call: Call, write: Write, position: Position, clock: number): void {
    const { id, expected } = write;
    const { place } = this.saw(call.name, id, position);
    const gap = this.disk.chainOf(id)[place + 1];
    if (!gap || gap.position || gap.reason !== 'deleted') throw new Error(`${call.name}: ${id} was not deleted`);
    this.#expect(call.name, id, expected, this.disk.chainOf(id)[place]!);
    call.touches.push({ context: id, kind: 'writes', state: null, from: nameOf(position) });
    this.#acknowledge(id, gap.place, clock);
  }

  #edited(call: Call, { id, kind }: Single, position: Position, clock: number): void {
    const state = this.saw(call.name, id, position);
    const made = this.#made.get(call.number)?.get(id);
    if (kind !== 'revert' && made !== state) {
      throw new Error(`${call.name} was answered ${nameOf(position)}, which it did not make`);
    }
    call.touches.push({ context: id, kind: 'writes', state: nameOf(position) });
    this.#acknowledge(id, state.place, clock);
  }

  /** The newest place that was acknowledged before this time. */
  acknowledgedBefore(id: string, clock: number): number {
    const all = this.#acknowledged.get(id) ?? [];
    return all.reduce((most, { at, place }) => (at < clock ? Math.max(most, place) : most), 0);
  }

  /** A refusal that an `expected` position caused must be true. */
  refused(call: Call, id: string, current: Position | null): void {
    const write = call.writes.find((each) => each.id === id);
    if (
      current &&
      write &&
      write.kind !== 'revert' &&
      write.expected &&
      !write.expected.checks &&
      holds(write.expected, current)
    ) {
      throw new Error(`${call.name} was refused at ${nameOf(current)}, which it expected`);
    }
    this.reads(call, id, current);
  }

  /** The whole history, when all is done. */
  history(): History {
    const operations = this.calls.map((call): Operation => {
      const { name, called, returned, touches, number } = call;
      const happened = [...(this.#made.get(number) ?? [])].map(([context, { position }]): Touch => {
        return { context, kind: 'writes', state: nameOf(position!) };
      });
      const known = new Set(touches.map(({ context }) => context));
      return { name, called, returned, touches: [...touches, ...happened.filter((each) => !known.has(each.context))] };
    });
    const chains = new Map(
      [...this.disk.chains].map(([id, chain]) => [
        id,
        chain.map(({ position }) => (position ? nameOf(position) : null)),
      ]),
    );
    return { chains, operations };
  }

  #leadsTo(write: Exclude<Write, { kind: 'delete' }>, before: State, { document }: State): boolean {
    const { id, expected } = write;
    const splice = write.kind === 'update' ? write.mutations.find(isSplice) : undefined;
    if (write.kind !== 'update' || !splice || expected?.kind !== 'unchanged') {
      return isDeepStrictEqual(documentAfter(write, before.document), document);
    }
    const key = splice.path[0] as string;
    const others = documentAfter(
      { ...write, mutations: write.mutations.filter((each) => each !== splice) },
      before.document,
    );
    if (!isDeepStrictEqual({ ...others, [key]: undefined }, { ...document, [key]: undefined })) return false;
    const since = this.disk.at(id, expected.since)!;
    const between = this.disk.chainOf(id).slice(since.place, before.place + 1);
    const wrong = wrongCarry(
      splice,
      between.map((each) => each.document),
      document,
    );
    if (wrong)
      throw new Error(
        `${JSON.stringify(splice)} ${wrong}: ${JSON.stringify(before.document)} to ${JSON.stringify(document)}`,
      );
    return true;
  }

  /** No version after the position touched one of the paths. */
  #unchanged(id: string, { since, paths }: Extract<Expected, { kind: 'unchanged' }>, before: State): boolean {
    const first = this.disk.at(id, since);
    if (!first || first.position?.epoch !== before.position?.epoch) return false;
    const chain = this.disk.chainOf(id).slice(first.place, before.place + 1);
    return chain.every(
      (state, i) => i === 0 || !paths.some((path) => touches(chain[i - 1]!.document, state.document, path)),
    );
  }

  #acknowledge(id: string, place: number, at: number): void {
    const all = this.#acknowledged.get(id);
    if (all) all.push({ at, place });
    else this.#acknowledged.set(id, [{ at, place }]);
  }

  /** Whether a revert was asked that leads here. */
  #isReverted(id: string, state: State): boolean {
    const asked = this.calls.flatMap(({ writes }) => writes.filter((each) => each.id === id && each.kind === 'revert'));
    return asked.some((write) => {
      const then = write.kind === 'revert' && this.disk.version(id, state.position!.epoch, write.version);
      return then && then !== state && isDeepStrictEqual(then.document, state.document);
    });
  }

  #expect(name: string, id: string, expected: Expected | undefined, before: State): void {
    if (!expected) return;
    const { position } = before;
    const checked = (expected.checks ?? []).every((each) => meets(before.document, each));
    const met = expected.kind === 'unchanged' ? this.#unchanged(id, expected, before) : holds(expected, position);
    if (!checked || !met) throw new Error(`${name} happened on ${id} at ${position ? nameOf(position) : 'absent'}`);
  }
}

function holds(expected: Expected, position: Position | undefined): boolean {
  if (expected.kind === 'checks') return true;
  if (!position) return expected.kind === 'absent';
  if (expected.kind === 'version') return expected.version === position.version;
  return expected.kind === 'position' && agrees(expected.position, position);
}

/**
 * What writes do to the members that expire. The time belongs to the path: a write that sets the path without a time to
 * live, or sets or removes an ancestor, ends it, whatever the value; a write below it leaves it alone.
 */
import { randomBytes } from 'node:crypto';
import { type Path, pathLength } from '../../delta/types.js';
import { ChordError } from '../../model/errors.js';
import type { Head, MembersMark } from '../../model/model.js';
import type { Commit, MemberChanges } from '../../store/store.js';
import type { ExpiringMember, MemberStep, Members } from '../lane/members.js';
import type { Effect } from '../lane/state.js';

/** Members of one document that expire ... */
export const EXPIRING_MAX = 25_000;
/** ... and the keys of their paths, in characters: each member is stored with its whole path. */
const PATHS_LENGTH_MAX = 4 << 20;

/** The changes of one write, collected without changing the members of the tip. */
export class MemberEdit {
  readonly #ended = new Map<number, ExpiringMember>();
  /** By path, as JSON. */
  readonly #set = new Map<string, ExpiringMember>();
  #last: number;
  /** Other members expire than before, or with another time to live. */
  #restamps = false;

  constructor(
    private readonly members: Members,
    private readonly now: number,
  ) {
    this.#last = members.lastNumber;
  }

  /** Ends the time of a path and of all below it. */
  end(path: Path): void {
    if (this.members.count > 0) for (const member of this.members.atOrBelow(path)) this.#end(member);
    for (const [text, member] of this.#set) if (isBelow(member.path, path)) this.#unset(text);
  }

  endAll(): void {
    this.end([]);
  }

  /** Sets the value at a path anew, for this time, in milliseconds. */
  set(path: Path, ttl: number): void {
    const text = JSON.stringify(path);
    const before = this.#at(path, text);
    for (const member of this.members.atOrBelow(path)) if (member.path.length > path.length) this.#end(member);
    for (const [other, member] of this.#set) if (other !== text && isBelow(member.path, path)) this.#unset(other);
    if (before) this.#put(text, before, ttl);
    else {
      this.#restamps = true;
      this.#set.set(text, { number: ++this.#last, path, at: this.now + ttl, ttl });
    }
  }

  /** Starts the time of a member again, which keeps its value; absent `ttl`: as before. False: it does not expire. */
  renew(path: Path, ttl?: number): boolean {
    const text = JSON.stringify(path);
    const before = this.#at(path, text);
    if (before) this.#put(text, before, ttl ?? before.ttl);
    return before !== undefined;
  }

  /** Throws RESOURCE_EXHAUSTED where there are too many members. */
  check(): void {
    const { removed, added } = this.step;
    const count = this.members.count - removed.length + added.length;
    if (count > EXPIRING_MAX && added.length > removed.length) {
      throw tooMany(`${count} members would expire, the limit is ${EXPIRING_MAX}`);
    }
    const length = this.members.pathLength - lengthOfAll(removed) + lengthOfAll(added);
    if (length > PATHS_LENGTH_MAX && lengthOfAll(added) > lengthOfAll(removed)) {
      throw tooMany(
        `the paths of members that expire would have ${length} characters, the limit is ${PATHS_LENGTH_MAX}`,
      );
    }
  }

  /** Whether anything changes, if only a time. */
  get changes(): boolean {
    return this.#restamps || this.#set.size > 0;
  }

  get step(): MemberStep {
    const added = [...this.#set.values()];
    const replaced = added.flatMap(({ path }) => this.members.at(path) ?? []);
    return { removed: [...this.#ended.values(), ...replaced.filter(({ number }) => !this.#ended.has(number))], added };
  }

  /** The mark of the head after the write; absent: no member expires any more. */
  mark(before: MembersMark | undefined): MembersMark | undefined {
    const { removed, added } = this.step;
    if (this.members.count - removed.length + added.length === 0) return undefined;
    const due = added.reduce((first, { at }) => Math.min(first, at), before?.due ?? Number.POSITIVE_INFINITY);
    return { stamp: this.#restamps || !before ? newStamp() : before.stamp, due };
  }

  #at(path: Path, text: string): ExpiringMember | undefined {
    const set = this.#set.get(text);
    if (set) return set;
    const member = this.members.at(path);
    return member && !this.#ended.has(member.number) ? member : undefined;
  }

  #end(member: ExpiringMember): void {
    this.#ended.set(member.number, member);
    this.#restamps = true;
  }

  #unset(text: string): void {
    this.#set.delete(text);
    this.#restamps = true;
  }

  #put(text: string, before: ExpiringMember, ttl: number): void {
    // A clock that was set back takes no time away.
    const at = ttl === before.ttl ? Math.max(before.at, this.now + ttl) : this.now + ttl;
    if (ttl !== before.ttl) this.#restamps = true;
    this.#set.set(text, { ...before, at, ttl });
  }
}

function isBelow(path: Path, ancestor: Path): boolean {
  return ancestor.every((key, i) => path[i] === key);
}

/** An effect with what it does to the members. `asKnown`: they go because of their times, which must not have changed. */
export function withMembers<T>(
  effect: Effect<T> & { readonly commit: Commit },
  tip: Head | null,
  edit: MemberEdit,
  asKnown = false,
): Effect<T> {
  const { step } = edit;
  // Without a mark all go, whichever they are.
  const changes = (effect.head?.members || asKnown) && edit.changes ? { members: memberChanges(step, asKnown) } : {};
  const commit = { ...effect.commit, ...stampOf(tip), ...changes };
  return { ...effect, commit, ...(edit.changes && { members: step }) };
}

/** What a commit expects of the members. */
export function stampOf(tip: Head | null): { readonly stamp?: number } {
  return tip?.members ? { stamp: tip.members.stamp } : {};
}

function memberChanges({ removed, added }: MemberStep, asKnown: boolean): MemberChanges {
  const kept = new Set(added.map(({ number }) => number));
  const ended = removed.filter(({ number }) => !kept.has(number));
  return {
    set: added.map(({ path, ...times }) => ({ ...times, path: JSON.stringify(path) })),
    ended: ended.map(({ number, at }) => (asKnown ? { number, at } : { number })),
  };
}

/** A head with this mark instead of its own. */
export function marked({ members: _, ...head }: Head, members: MembersMark | undefined): Head {
  return members ? { ...head, members } : head;
}

function newStamp(): number {
  return randomBytes(6).readUIntBE(0, 6);
}

function lengthOfAll(members: readonly ExpiringMember[]): number {
  return members.reduce((sum, { path }) => sum + pathLength(path), 0);
}

function tooMany(message: string): ChordError {
  return new ChordError('RESOURCE_EXHAUSTED', message);
}

/** The writes that members which expire bring with them: their removal, and their renewal. */
import { encodeChanges } from '../../codec/changes.js';
import { encodeStruct } from '../../codec/struct.js';
import { applyInPlace, weightChange } from '../../delta/index.js';
import type { Change, Path } from '../../delta/types.js';
import { ChordError, invalid, notFound } from '../../model/errors.js';
import { type Clock, getMember, type Head, isObject, type Json, type JsonObject, usedAt } from '../../model/model.js';
import { isLarge } from '../events.js';
import { heapChange } from '../lane/heap-size.js';
import type { Upkeep } from '../lane/pending-write.js';
import type { Effect, TipView } from '../lane/state.js';
import { SMALL_BYTES } from '../long-work.js';
import { advance } from '../position.js';
import { checkMemberTtl } from '../validation.js';
import { MemberEdit, marked, stampOf, withMembers } from './members.js';
import { USE_GRAIN } from './writes.js';

export const TOUCHED_MAX = 1000;

/** Whether a member may have expired. */
export function membersDue(head: Head | null, now: number): boolean {
  return head?.members !== undefined && head.members.due <= now;
}

/**
 * Removes the members whose time is over, all in one version. Where there are none, since those were renewed or have gone,
 * notes when the next one expires.
 */
export function endMembers(view: TipView, clock: number): Effect<void> {
  const { id, tip, members } = view;
  if (!tip?.members || tip.members.due > clock) return { head: tip, answer: undefined };
  const { over, next } = members.due(clock);
  const { stamp } = tip.members;
  if (over.length === 0) {
    const head = marked(tip, next === undefined ? undefined : { stamp, due: next });
    return { commit: { id, expected: tip.position, head, stamp }, head, answer: undefined };
  }
  const edit = new MemberEdit(members, clock);
  const document = view.document();
  const changes: Change[] = [];
  // Ancestors first: what is below them goes with them.
  for (const { path } of over.toSorted((a, b) => a.path.length - b.path.length)) {
    edit.end(path);
    const old = valueAt(document, path);
    if (old === undefined) continue;
    const change: Change = { action: 'removed', path, old };
    applyInPlace([change], document);
    changes.push(change);
  }
  const mark = edit.mark(tip.members);
  const payload = encodeChanges(changes);
  const weight = tip.weight + weightChange(changes);
  const to = advance(tip.position, payload);
  const at = Math.max(clock, tip.updatedAt);
  const moved = { ...tip, position: to, updatedAt: at, weight };
  const head = marked(moved, mark && { ...mark, due: next ?? mark.due });
  const delta = {
    ...{ id, from: tip.position, to, payload, at },
    large: isLarge(payload, weight),
    cause: 'expired' as const,
  };
  // That of a large document is left to the next write, which makes it in steps.
  const due = weight <= SMALL_BYTES && view.snapshotDue(payload, weight);
  const snapshot = due ? { snapshot: encodeStruct(document) } : {};
  const commit = { id, expected: tip.position, head, payload, cause: 'expired' as const, ...snapshot };
  return withMembers({ commit, head, delta, heap: heapChange(changes), answer: undefined }, tip, edit, true);
}

export function memberUpkeep(now: Clock): Upkeep {
  return {
    isDue: (tip) => membersDue(tip, now()),
    evaluate: (view) => endMembers(view, now()),
  };
}

/** @throws ChordError INVALID_ARGUMENT */
export function checkTouched(paths: readonly Path[], ttl: number | undefined): void {
  if (paths.length > TOUCHED_MAX) throw invalid('paths', `are more than ${TOUCHED_MAX}`);
  const empty = paths.findIndex((path) => path.length === 0);
  if (empty >= 0) throw invalid(`paths[${empty}].keys`, 'must name at least one key');
  if (ttl !== undefined) checkMemberTtl(ttl, 'ttl');
}

/** TouchContext with paths: starts the times of these members again, or gives them another time to live. */
export function touchMembers(
  { id, tip, members }: TipView,
  paths: readonly Path[],
  ttl: number | undefined,
  now: number,
): Effect<Head> {
  if (!tip) throw notFound(id);
  const edit = new MemberEdit(members, now);
  for (const [i, path] of paths.entries()) {
    if (edit.renew(path, ttl)) continue;
    const description = 'does not expire, or has expired';
    throw new ChordError('FAILED_PRECONDITION', `paths[${i}]: ${JSON.stringify(path)} ${description}`, {
      contextId: id,
      violations: [{ field: `paths[${i}]`, description }],
    });
  }
  // A context whose members are renewed is in use.
  const unused = !tip.expiry && now - usedAt(tip) >= USE_GRAIN;
  const head = marked(unused ? { ...tip, touchedAt: now } : tip, edit.mark(tip.members));
  const commit = { id, expected: tip.position, head, ...stampOf(tip) };
  return withMembers({ commit, head, answer: head }, tip, edit);
}

function valueAt(document: JsonObject, path: Path): Json | undefined {
  let value: Json | undefined = document;
  for (const key of path) value = isObject(value) ? getMember(value, key) : undefined;
  return value;
}

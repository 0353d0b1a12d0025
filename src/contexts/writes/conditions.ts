/** The conditions of a write: their limits, and whether they hold on the state that the write meets. */
import { decodeProvenance } from '../../codec/provenance.js';
import { type Path, pathLength } from '../../delta/types.js';
import type { CheckTest, DocumentCheck, SinceReason, Unmet, UnmetOne } from '../../model/conditions.js';
import { ChordError, invalid } from '../../model/errors.js';
import type { Head, Position } from '../../model/model.js';
import { checkChecks, unmetChecks } from '../checks.js';
import type { TipView } from '../lane/state.js';
import type { Room } from './budget.js';
import { Guard } from './guard.js';
import type { Edit } from './mutations.js';
import type { TouchedPath } from './touch-tree.js';
import { checkPath } from './value-limits.js';

/**
 * What a write expects of the context; beside it, checks of the document, which must hold as well. Positions without epoch
 * or digest compare by the parts that they have.
 */
export type Expected = (
  | { readonly kind: 'position'; readonly position: Position }
  | { readonly kind: 'version'; readonly version: number }
  | { readonly kind: 'absent' }
  /** No version after `since` touched one of the paths; and splices name places of the document at `since`. */
  | { readonly kind: 'unchanged'; readonly since: Position; readonly paths: readonly Path[] }
  /** The checks alone. */
  | { readonly kind: 'checks' }
) & { readonly checks?: readonly DocumentCheck[] | undefined };

export const GUARDED_MAX = 1000;

/** Throws as `checkEdit` does. */
export function checkLimits(expected: Expected | undefined, room: Room): void {
  if (!expected) return;
  if (expected.checks) checkChecks(expected.checks, 'expected.checks', room);
  if (expected.kind !== 'unchanged') return;
  const { since, paths } = expected;
  if (since.version < 1) throw invalid('expected.unchanged.since', 'has no version');
  if (paths.length > GUARDED_MAX) throw invalid('expected.unchanged.paths', `are more than ${GUARDED_MAX}`);
  paths.forEach((path, index) => {
    checkPath(path, `expected.unchanged.paths[${index}]`, room);
  });
}

/** One for each request: it keeps what was read for it. */
export function guardOf(expected: Expected | undefined, edit?: Edit): Guard | undefined {
  return expected?.kind === 'unchanged' ? new Guard(expected.since, expected.paths, edit) : undefined;
}

/** @throws ChordError ABORTED where the conditions do not hold; MissingRecords */
export function checkExpected(view: TipView, expected: Expected | undefined, guard: Guard | undefined): void {
  if (!expected) return;
  const { id, tip } = view;
  if (guard) {
    const unmet = guard.check(view);
    if (typeof unmet === 'string') throw notComparable(id, tip, guard.since, unmet);
    if (unmet) throw touched(view, unmet);
  } else if (expected.kind !== 'checks' && !(tip ? isAt(expected, tip.position) : expected.kind === 'absent')) {
    const stands = tip ? `is at version ${tip.position.version}` : 'does not exist';
    throw new ChordError('ABORTED', `${JSON.stringify(id)} ${stands}, which is not what the write expected`, {
      contextId: id,
      current: tip?.position ?? null,
    });
  }
  if (!expected.checks?.length) return;
  const unmet = unmetChecks(tip ? view.document() : {}, expected.checks);
  if (unmet.length > 0) throw failed(id, tip, unmet);
}

function isAt(expected: Expected, { epoch, version, digest }: Position): boolean {
  if (expected.kind === 'version') return expected.version === version;
  if (expected.kind !== 'position') return false;
  const { position } = expected;
  if (position.epoch !== '' && position.epoch !== epoch) return false;
  return position.version === version && (position.digest === '' || position.digest === digest);
}

const REASONS: Readonly<Record<SinceReason, string>> = {
  epoch_changed: 'is of another life of the context',
  ahead: 'is ahead of the context',
  diverged: 'is of another history of the context',
  history_truncated: 'lies before the history that is retained',
};

function notComparable(id: string, tip: Head | null, { version }: Position, sinceReason: SinceReason): ChordError {
  const why = tip ? REASONS[sinceReason] : 'has no context any more';
  return refusal(id, tip, `"since", version ${version}, ${why}`, [], sinceReason);
}

function touched(view: TipView, paths: readonly TouchedPath[]): ChordError {
  const [{ path, touchedAt }] = paths as readonly [TouchedPath];
  const what = `version ${touchedAt} changed ${quoted(path)}${andMore(paths)}`;
  return refusal(view.id, view.tip, what, withAuthors(view, paths));
}

/** As far as the versions are in memory. */
function withAuthors(view: TipView, paths: readonly TouchedPath[]): readonly UnmetOne[] {
  const first = Math.min(...paths.map(({ touchedAt }) => touchedAt));
  const deltas = view.deltasSince(first - 1) ?? [];
  return paths.map((each) => {
    const delta = deltas[each.touchedAt - first];
    return delta?.provenance ? { ...each, author: decodeProvenance(delta.provenance).author } : each;
  });
}

function failed(id: string, tip: Head | null, checks: readonly DocumentCheck[]): ChordError {
  const [{ path, test }] = checks as readonly [DocumentCheck];
  const text = `${quoted(path)} ${saidOf(test)}${andMore(checks)}`;
  return refusal(
    id,
    tip,
    text,
    checks.map((check) => ({ path: check.path, check })),
  );
}

/** Without values of the document. */
function saidOf(test: CheckTest): string {
  if (test.kind === 'equals') return 'has another value than the check names';
  if (test.kind === 'exists') return test.yes ? 'does not exist' : 'exists';
  return `is no number of at ${test.kind === 'atLeast' ? 'least' : 'most'} ${test.limit}`;
}

function refusal(
  contextId: string,
  tip: Head | null,
  what: string,
  conditions: readonly UnmetOne[],
  sinceReason?: SinceReason,
): ChordError {
  const unmet: Unmet = { current: tip?.position ?? null, sinceReason, conditions };
  return new ChordError('ABORTED', `${JSON.stringify(contextId)}: ${what}`, { contextId, unmet });
}

/** A path may be long, and a message is cut at its end. */
const QUOTED_MAX = 200;

function quoted(path: Path): string {
  return pathLength(path) > QUOTED_MAX ? `a path of ${path.length} keys` : JSON.stringify(path);
}

function andMore({ length }: readonly unknown[]): string {
  return length > 1 ? `, and ${length - 1} more` : '';
}

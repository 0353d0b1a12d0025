/**
 * Parts of documents in calls: what a request names outside the parts that its caller has a right to, and what a call may read.
 * Each rule answers a path outside the parts, [] for the whole document; undefined: the right to these parts is enough, and
 * the handler cuts its answer down to what `readable` gives.
 */
import type { Right } from '../auth/rights.js';
import { contains, firstOutside, intersection, type Projection } from '../delta/projection.js';
import type { Path } from '../delta/types.js';
import type * as c from '../gen/chord/v1/context_service.js';
import type { Check, Expected } from '../gen/chord/v1/model.js';
import type { JsonObject } from '../model/model.js';
import type { Call } from './call.js';

export type PartsRule = (request: never, parts: Projection) => Path | undefined;

type Conditional = { readonly expected?: Expected | undefined };

/** What a caller may read of a context by this right, of the part that it requests. Undefined: the whole document. */
export function readable(call: Call, right: Right, id: string, requested?: Projection): Projection | undefined {
  const parts = call.rights?.partsOf(right, id);
  return parts && requested ? intersection(parts, requested) : (parts ?? requested);
}

/** A read names nothing: its answer is cut down. */
export function cutDown(): undefined {}

/** An update names paths. Its time to live is that of the whole document. */
export function updated({ changes, mutations, ttl }: c.UpdateContextRequest, parts: Projection): Path | undefined {
  if (ttl) return [];
  for (const { path } of mutations) if (!contains(parts, path)) return path;
  return changes && firstOutside(changes as JsonObject, parts);
}

/** Without paths, a touch is of the whole document. */
export function touched({ paths }: c.TouchContextRequest, parts: Projection): Path | undefined {
  return paths.length === 0 ? [] : outside(paths, parts);
}

/** A condition on the document tells something of what it names. */
export function restsOn({ expected }: Conditional, parts: Projection): Path | undefined {
  const condition = expected?.condition;
  return (
    (expected && checked(expected.checks, parts)) ??
    (condition?.$case === 'unchanged' ? outside(condition.value.paths, parts) : undefined)
  );
}

/** Whether a write has conditions on the document, not on its position alone. */
export function hasConditions({ expected }: Conditional): boolean {
  if (!expected) return false;
  const { checks, condition } = expected;
  return checks.length > 0 || (condition?.$case === 'unchanged' && condition.value.paths.length > 0);
}

export function awaited({ until }: { readonly until: readonly Check[] }, parts: Projection): Path | undefined {
  return checked(until, parts);
}

function checked(checks: readonly Check[], parts: Projection): Path | undefined {
  return outside(
    checks.map(({ path }) => path ?? { keys: [] }),
    parts,
  );
}

function outside(paths: readonly { readonly keys: Path }[], parts: Projection): Path | undefined {
  return paths.find(({ keys }) => !contains(parts, keys))?.keys;
}

/** What a write rests on, and what a wait waits for: the words, and their way to and from protobuf messages. */
import type { UnmetConditions as ProtoUnmet } from './gen/chord/v1/errors.js';
import { FullReason, type Check as ProtoCheck, type Expected as ProtoExpected } from './gen/chord/v1/model.js';
import type { Json } from './json.js';
import type { Path, Position } from './model.js';

/** What a document holds at a path. Numbers compare with numbers only; `exists` counts null as a value. */
export type Check = { readonly path: Path } & (
  | { readonly equals: Json }
  | { readonly exists: boolean }
  | { readonly atLeast: number }
  | { readonly atMost: number }
);

/** No version after `since` touched one of the paths, one above or one below it. */
export interface Unchanged {
  readonly since: Position;
  /** At most 1000. Empty: what splices of the same write name, alone. */
  readonly paths: readonly Path[];
}

/** Where a context must stand, or what of it must be as it was. */
export type Expected =
  | { readonly position: Position }
  | { readonly version: number }
  | { readonly absent: true }
  | { readonly unchanged: Unchanged };

/** Neither `touchedAt` nor `check`: a kind of condition that this client does not know. */
export interface UnmetCondition {
  readonly path: Path;
  /** The last version that touched the path, one above or one below it. */
  readonly touchedAt?: number;
  /** Who wrote that version, where that is known to the server. */
  readonly author?: string;
  /** What the document does not hold. */
  readonly check?: Check;
}

/** Why a write was refused. Where the context stands is `current` of the error. */
export interface UnmetConditions {
  /** Why `since` cannot be compared with where the context stands: EPOCH_CHANGED, AHEAD, DIVERGED or HISTORY_TRUNCATED. */
  readonly sinceReason: string | undefined;
  /** At most 100. */
  readonly conditions: readonly UnmetCondition[];
}

export function toExpected(expected: Expected | undefined, checks: readonly Check[] = []): ProtoExpected | undefined {
  if (!expected && checks.length === 0) return undefined;
  return { condition: expected && conditionOf(expected), checks: toChecks(checks) };
}

function conditionOf(expected: Expected): ProtoExpected['condition'] {
  if ('position' in expected) return { $case: 'position', value: expected.position };
  if ('version' in expected) return { $case: 'version', value: expected.version };
  if ('absent' in expected) return { $case: 'absent', value: true };
  const { since, paths } = expected.unchanged;
  return { $case: 'unchanged', value: { since, paths: paths.map((keys) => ({ keys: [...keys] })) } };
}

export function toChecks(checks: readonly Check[]): ProtoCheck[] {
  return checks.map((check) => ({ path: { keys: [...check.path] }, test: testOf(check) }));
}

function testOf(check: Check): ProtoCheck['test'] {
  if ('equals' in check) return { $case: 'equals', value: check.equals };
  if ('exists' in check) return { $case: 'exists', value: check.exists };
  if ('atLeast' in check) return { $case: 'atLeast', value: check.atLeast };
  return { $case: 'atMost', value: check.atMost };
}

export function fromUnmet({ sinceReason, conditions }: ProtoUnmet): UnmetConditions {
  return {
    sinceReason: sinceReason === FullReason.UNSPECIFIED ? undefined : (FullReason[sinceReason] ?? 'UNKNOWN'),
    conditions: conditions.map(({ path, cause, author }) => {
      const at = { path: path?.keys ?? [] };
      if (cause?.$case === 'touchedAt') return { ...at, touchedAt: cause.value, ...(author !== '' && { author }) };
      const check = cause && fromCheck(cause.value);
      return check ? { ...at, check } : at;
    }),
  };
}

function fromCheck({ path, test }: ProtoCheck): Check | undefined {
  const keys = path?.keys ?? [];
  switch (test?.$case) {
    case 'equals':
      return { path: keys, equals: test.value };
    case 'exists':
      return { path: keys, exists: test.value };
    case 'atLeast':
      return { path: keys, atLeast: test.value };
    case 'atMost':
      return { path: keys, atMost: test.value };
    default:
      return undefined;
  }
}

/** Conditions of writes: the checks of a request, and the details of a refusal. Throws INVALID_ARGUMENT that names the field. */
import { UnmetCondition, type UnmetConditions } from '../../gen/chord/v1/errors.js';
import { FullReason, type Check as ProtoCheck } from '../../gen/chord/v1/model.js';
import type { CheckTest, DocumentCheck, SinceReason, Unmet, UnmetOne } from '../../model/conditions.js';
import { invalid } from '../../model/errors.js';

/** Trailers are limited to 8 KiB by some clients, and are sent as base64. */
const UNMET_BYTES_MAX = 3072;

const REASONS: Readonly<Record<SinceReason, FullReason>> = {
  epoch_changed: FullReason.EPOCH_CHANGED,
  ahead: FullReason.AHEAD,
  diverged: FullReason.DIVERGED,
  history_truncated: FullReason.HISTORY_TRUNCATED,
};

export function fromChecks(checks: readonly ProtoCheck[], field: string): DocumentCheck[] {
  return checks.map(({ path, test }, index) => {
    const at = `${field}[${index}]`;
    if (!path) throw invalid(`${at}.path`, 'must name at least one key');
    if (!test) throw invalid(at, 'names no test');
    return { path: path.keys, test: fromTest(test) };
  });
}

/** The conditions that fit; a value that a check compares is left out where it is too large. */
export function toUnmet(contextId: string, { current, sinceReason, conditions }: Unmet): UnmetConditions {
  const named: UnmetCondition[] = [];
  let left = UNMET_BYTES_MAX;
  for (const condition of conditions) {
    const [fitting] = [true, false]
      .map((whole) => toCondition(condition, whole))
      .filter((each) => UnmetCondition.encode(each).finish().length <= left);
    if (!fitting) break;
    left -= UnmetCondition.encode(fitting).finish().length + 3;
    named.push(fitting);
  }
  return {
    contextId,
    current: current ?? undefined,
    sinceReason: sinceReason ? REASONS[sinceReason] : FullReason.UNSPECIFIED,
    conditions: named,
  };
}

function toCondition(condition: UnmetOne, whole: boolean): UnmetCondition {
  const path = { keys: [...condition.path] };
  if ('touchedAt' in condition) {
    const { touchedAt, author = '' } = condition;
    return { path, cause: { $case: 'touchedAt', value: touchedAt }, author };
  }
  const test = whole ? toTest(condition.check.test) : undefined;
  return { path, cause: { $case: 'check', value: { path, test } }, author: '' };
}

function fromTest(test: NonNullable<ProtoCheck['test']>): CheckTest {
  switch (test.$case) {
    case 'equals':
      return { kind: 'equals', value: test.value };
    case 'exists':
      return { kind: 'exists', yes: test.value };
    case 'atLeast':
      return { kind: 'atLeast', limit: test.value };
    case 'atMost':
      return { kind: 'atMost', limit: test.value };
  }
}

function toTest(test: CheckTest): NonNullable<ProtoCheck['test']> {
  switch (test.kind) {
    case 'equals':
      return { $case: 'equals', value: test.value };
    case 'exists':
      return { $case: 'exists', value: test.yes };
    case 'atLeast':
      return { $case: 'atLeast', value: test.limit };
    case 'atMost':
      return { $case: 'atMost', value: test.limit };
  }
}

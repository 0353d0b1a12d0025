/** Checks of documents: whether they hold, and their limits. */
import { equal } from '../delta/index.js';
import type { CheckTest, DocumentCheck } from '../model/conditions.js';
import { invalid } from '../model/errors.js';
import { getMember, isObject, type Json, type JsonObject } from '../model/model.js';
import type { Room } from './writes/budget.js';
import { checkPath, checkValueAt } from './writes/value-limits.js';

export const CHECKS_MAX = 100;

/** The checks that do not hold. */
export function unmetChecks(document: JsonObject, checks: readonly DocumentCheck[]): DocumentCheck[] {
  return checks.filter(({ path, test }) => !holds(valueAt(document, path), test));
}

/** @throws ChordError INVALID_ARGUMENT that names the field, or RESOURCE_EXHAUSTED where values have too many members */
export function checkChecks(checks: readonly DocumentCheck[], field: string, room: Room): void {
  if (checks.length > CHECKS_MAX) throw invalid(field, `are more than ${CHECKS_MAX}`);
  checks.forEach(({ path, test }, index) => {
    checkPath(path, `${field}[${index}].path`, room);
    if (test.kind === 'equals') checkValueAt(test.value, `${field}[${index}].equals`, room);
    else if ('limit' in test && !Number.isFinite(test.limit)) {
      throw invalid(`${field}[${index}].${test.kind}`, 'is not a finite number');
    }
  });
}

function valueAt(document: JsonObject, path: readonly string[]): Json | undefined {
  let value: Json | undefined = document;
  for (const key of path) {
    if (!isObject(value)) return undefined;
    value = getMember(value, key);
  }
  return value;
}

function holds(value: Json | undefined, test: CheckTest): boolean {
  switch (test.kind) {
    case 'equals':
      return value !== undefined && equal(value, test.value);
    case 'exists':
      return (value !== undefined) === test.yes;
    case 'atLeast':
      return typeof value === 'number' && value >= test.limit;
    case 'atMost':
      return typeof value === 'number' && value <= test.limit;
  }
}

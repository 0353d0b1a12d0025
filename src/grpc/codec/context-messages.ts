/** Contexts, conditions and mutations: from protobuf messages to the domain, and back. Throws INVALID_ARGUMENT that names the field. */
import type { Annotations } from '../../codec/provenance.js';
import type { Expected } from '../../contexts/writes/conditions.js';
import type { Mutation } from '../../contexts/writes/mutations.js';
import type * as proto from '../../gen/chord/v1/model.js';
import type { Duration } from '../../gen/google/protobuf/duration.js';
import { invalid } from '../../model/errors.js';
import type { Head } from '../../model/model.js';
import { fromChecks } from './condition-messages.js';
import { fromDuration, toTimestamp } from './times.js';

export const MUTATIONS_MAX = 1000;

/** A context without its value. */
export function toContext(id: string, head: Head): proto.Context {
  return {
    contextId: id,
    value: undefined,
    position: head.position,
    createdAt: toTimestamp(head.createdAt),
    updatedAt: toTimestamp(head.updatedAt),
    expiresAt: head.expiry && toTimestamp(head.expiry.at),
  };
}

export function fromExpected(expected: proto.Expected | undefined): Expected | undefined {
  if (!expected) return undefined;
  const { condition } = expected;
  const checks = expected.checks.length > 0 ? { checks: fromChecks(expected.checks, 'expected.checks') } : {};
  switch (condition?.$case) {
    case 'position':
      if (condition.value.version === 0) throw invalid('expected.position', 'has no version');
      return { kind: 'position', position: condition.value, ...checks };
    case 'version':
      return { kind: 'version', version: condition.value, ...checks };
    case 'absent':
      if (!condition.value) throw invalid('expected.absent', 'must be true');
      return { kind: 'absent', ...checks };
    case 'unchanged': {
      const { since, paths } = condition.value;
      if (!since) throw invalid('expected.unchanged.since', 'is missing');
      return { kind: 'unchanged', since, paths: paths.map(({ keys }) => keys), ...checks };
    }
    default:
      if (expected.checks.length === 0) throw invalid('expected', 'names no condition');
      return { kind: 'checks', ...checks };
  }
}

export function fromAnnotations(annotations: ReadonlyMap<string, string>): Annotations | undefined {
  return annotations.size > 0 ? Object.fromEntries(annotations) : undefined;
}

export function fromMutations(mutations: readonly proto.Mutation[]): Mutation[] {
  if (mutations.length > MUTATIONS_MAX) throw invalid('mutations', `are more than ${MUTATIONS_MAX}`);
  return mutations.map(({ path, operation, ttl }, index): Mutation => {
    if (ttl && operation?.$case !== 'set') throw invalid(`mutations[${index}].ttl`, 'is for set alone');
    switch (operation?.$case) {
      case 'set': {
        const set = { kind: 'set', path, value: operation.value } as const;
        return ttl ? { ...set, ttl: memberTtl(ttl, `mutations[${index}].ttl`) } : set;
      }
      case 'remove':
        if (!operation.value) throw invalid(`mutations[${index}].remove`, 'must be true');
        return { kind: 'remove', path };
      case 'increment':
        if (!Number.isFinite(operation.value)) throw invalid(`mutations[${index}].increment`, 'is not a finite number');
        return { kind: 'increment', path, by: operation.value };
      case 'append':
        return { kind: 'append', path, values: operation.value.values };
      case 'splice': {
        const { index: at, removeCount, insert } = operation.value;
        return { kind: 'splice', path, index: at, removeCount, insert };
      }
      case 'appendText':
        return { kind: 'append_text', path, text: operation.value };
      case 'spliceText': {
        const { index: at, removeCount, insert } = operation.value;
        return { kind: 'splice_text', path, index: at, removeCount, insert };
      }
      default:
        throw invalid(`mutations[${index}]`, 'names no operation');
    }
  });
}

/** The time to live of a member, in whole milliseconds: no shorter than requested. */
export function memberTtl(ttl: Duration | undefined, field: string): number | undefined {
  const milliseconds = fromDuration(ttl, field);
  return milliseconds === undefined ? undefined : Math.ceil(milliseconds);
}

export function fromTouched(paths: readonly proto.Path[]): string[][] {
  return paths.map(({ keys }) => keys);
}

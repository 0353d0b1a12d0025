/** From protobuf messages to the words of the use cases, and back. Throws INVALID_ARGUMENT that names the field. */

import type { Expected } from '../../contexts/service.js';
import { type Projection, projectionOf } from '../../contexts/sync/projection.js';
import { checkId, checkPrefix } from '../../contexts/validation.js';
import type { Mutation } from '../../contexts/writes/mutations.js';
import type * as proto from '../../gen/chord/v1/model.js';
import type { Subscription as ProtoSubscription } from '../../gen/chord/v1/sync_service.js';
import type { Duration } from '../../gen/google/protobuf/duration.js';
import type { Timestamp } from '../../gen/google/protobuf/timestamp.js';
import { invalid } from '../../model/errors.js';
import { type Head as DomainHead, MAX_DEPTH } from '../../model/model.js';
import { KEYS_MAX } from '../../watch/coverage.js';
import type { Subscription } from '../../watch/watcher.js';

export const SUBSCRIPTIONS_MAX = 1000;
/** Of all subscriptions of a watch. */
export const KNOWN_MAX = 100_000;
export const MUTATIONS_MAX = 1000;
export const PATHS_MAX = 1000;

export function toTimestamp(at: number): Timestamp {
  const seconds = Math.floor(at / 1000);
  return { seconds, nanos: Math.round((at - seconds * 1000) * 1e6) };
}

export function toDuration(milliseconds: number): Duration {
  const seconds = Math.trunc(milliseconds / 1000);
  return { seconds, nanos: Math.round((milliseconds - seconds * 1000) * 1e6) };
}

/**
 * Milliseconds; undefined where the field is absent. Seconds and nanos have one sign, and nanos are less than a second:
 * others might cancel out to 0, which means something else than they do.
 */
export function fromDuration(duration: Duration | undefined, field: string): number | undefined {
  if (!duration) return undefined;
  const { seconds, nanos } = duration;
  if (!(Math.abs(nanos) < 1e9) || seconds * nanos < 0)
    throw invalid(field, 'is not a valid duration: seconds and nanos must have one sign, nanos less than a second');
  return seconds * 1000 + nanos / 1e6;
}

/** A context without its value. */
export function toContext(id: string, head: DomainHead): proto.Context {
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
  switch (condition?.$case) {
    case 'position':
      if (condition.value.version === 0) throw invalid('expected.position', 'has no version');
      return { kind: 'position', position: condition.value };
    case 'version':
      return { kind: 'version', version: condition.value };
    case 'absent':
      if (!condition.value) throw invalid('expected.absent', 'must be true');
      return { kind: 'absent' };
    default:
      throw invalid('expected', 'names no condition');
  }
}

export function fromMutations(mutations: readonly proto.Mutation[]): Mutation[] {
  if (mutations.length > MUTATIONS_MAX) throw invalid('mutations', `are more than ${MUTATIONS_MAX}`);
  return mutations.map(({ path, operation }, index): Mutation => {
    switch (operation?.$case) {
      case 'set':
        return { kind: 'set', path, value: operation.value };
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
      default:
        throw invalid(`mutations[${index}]`, 'names no operation');
    }
  });
}

export function fromSubscriptions(subscriptions: readonly ProtoSubscription[]): Subscription[] {
  if (subscriptions.length === 0) throw invalid('subscriptions', 'must not be empty');
  if (subscriptions.length > SUBSCRIPTIONS_MAX) throw invalid('subscriptions', `are more than ${SUBSCRIPTIONS_MAX}`);
  let knownInAll = 0;
  const scopes = new Scopes();
  return subscriptions.map(({ target, known, paths }, index): Subscription => {
    const field = `subscriptions[${index}]`;
    knownInAll += known.size;
    if (knownInAll > KNOWN_MAX) throw invalid(`${field}.known`, `more than ${KNOWN_MAX} positions in all`);
    if (target?.$case === 'contextId') checkId(target.value, `${field}.context_id`);
    else if (target?.$case === 'prefix') checkPrefix(target.value);
    else throw invalid(field, 'names neither context_id nor prefix');
    for (const id of known.keys()) {
      const matches = target.$case === 'contextId' ? id === target.value : id.startsWith(target.value);
      if (!matches) throw invalid(`${field}.known`, 'names a context outside the subscription');
      checkId(id, `${field}.known`);
    }
    const scope = scopes.of(paths, `${field}.paths`);
    return target.$case === 'contextId'
      ? { target: { kind: 'id', id: target.value }, known, scope }
      : { target: { kind: 'prefix', prefix: target.value }, known, scope };
  });
}

/** The scopes of one watch: one for each set of paths, however many subscriptions ask for it. */
class Scopes {
  readonly #made = new Map<string, Projection>();
  #keys = 0;

  of(paths: readonly proto.Path[], field: string): Projection | undefined {
    if (paths.length === 0) return undefined;
    const text = JSON.stringify(paths.map(({ keys }) => keys));
    let scope = this.#made.get(text);
    if (!scope) {
      this.#keys += paths.reduce((sum, { keys }) => sum + keys.length, 0);
      if (this.#keys > KEYS_MAX) throw invalid(field, `bring the keys of all paths of the watch above ${KEYS_MAX}`);
      scope = fromPaths(paths, field) as Projection;
      this.#made.set(text, scope);
    }
    return scope;
  }
}

/** Undefined where there are none: everything. */
export function fromPaths(paths: readonly proto.Path[], field = 'paths'): Projection | undefined {
  if (paths.length === 0) return undefined;
  if (paths.length > PATHS_MAX) throw invalid(field, `are more than ${PATHS_MAX}`);
  paths.forEach(({ keys }, index) => {
    if (keys.length === 0) throw invalid(`${field}[${index}].keys`, 'must name at least one key');
    if (keys.length > MAX_DEPTH) throw invalid(`${field}[${index}].keys`, `are more than ${MAX_DEPTH}`);
  });
  return projectionOf(paths.map(({ keys }) => keys));
}

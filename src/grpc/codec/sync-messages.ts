/** Subscriptions and paths from protobuf messages to the domain, and pages of blame back. Throws INVALID_ARGUMENT that names the field. */

import { decodeProvenance } from '../../codec/provenance.js';
import type { BlamedVersion, BlamePage } from '../../contexts/blame/blame.js';
import { checkId, checkPrefix } from '../../contexts/validation.js';
import { type Projection, projectionOf } from '../../delta/projection.js';
import * as proto from '../../gen/chord/v1/model.js';
import type { BlameContextResponse, Subscription as ProtoSubscription } from '../../gen/chord/v1/sync_service.js';
import { invalid } from '../../model/errors.js';
import { MAX_DEPTH } from '../../model/model.js';
import { KEYS_MAX } from '../../watch/coverage.js';
import type { Subscription } from '../../watch/subscription.js';
import { toTimestamp } from './times.js';

export const SUBSCRIPTIONS_MAX = 1000;
/** Limit of known positions in all subscriptions of a watch. */
export const KNOWN_MAX = 100_000;
export const PATHS_MAX = 1000;
/** Limit of paths in all subscriptions of a watch: each one is decoded and compared, also where it is equal to another. */
export const WATCHED_PATHS_MAX = 100_000;

export function fromSubscriptions(subscriptions: readonly ProtoSubscription[]): Subscription[] {
  if (subscriptions.length === 0) throw invalid('subscriptions', 'must not be empty');
  if (subscriptions.length > SUBSCRIPTIONS_MAX) throw invalid('subscriptions', `are more than ${SUBSCRIPTIONS_MAX}`);
  let knownInAll = 0;
  const projections = new Projections();
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
    const scope = projections.of(paths, `${field}.paths`);
    return target.$case === 'contextId'
      ? { target: { kind: 'id', id: target.value }, known, scope }
      : { target: { kind: 'prefix', prefix: target.value }, known, scope };
  });
}

/** The projections of one watch: one for each set of paths, shared by all subscriptions with these paths. */
class Projections {
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

/** Undefined without paths: the whole document. */
export function fromPaths(paths: readonly proto.Path[], field = 'paths'): Projection | undefined {
  if (paths.length === 0) return undefined;
  if (paths.length > PATHS_MAX) throw invalid(field, `are more than ${PATHS_MAX}`);
  paths.forEach(({ keys }, index) => {
    if (keys.length === 0) throw invalid(`${field}[${index}].keys`, 'must name at least one key');
    if (keys.length > MAX_DEPTH) throw invalid(`${field}[${index}].keys`, `are more than ${MAX_DEPTH}`);
  });
  return projectionOf(paths.map(({ keys }) => keys));
}

export function toBlamed({ position, lines, olderThan, nextPageToken }: BlamePage): BlameContextResponse {
  return {
    position,
    lines: lines.map(({ path, run, value, by }) => ({
      ...{ path: { keys: [...path] }, run, value, version: by?.version ?? 0 },
      ...{ updatedAt: by && toTimestamp(by.at), provenance: by && toProvenance(by) },
    })),
    olderThan,
    nextPageToken,
  };
}

function toProvenance({ cause, provenance }: BlamedVersion): proto.Provenance | undefined {
  if (!cause && !provenance) return undefined;
  const { author, annotations } = decodeProvenance(provenance);
  return {
    cause: cause ? proto.Cause.EXPIRED : proto.Cause.UNSPECIFIED,
    author,
    annotations: new Map(Object.entries(annotations)),
  };
}

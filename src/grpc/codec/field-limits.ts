/**
 * How often the repeated fields of requests may occur, by the name of the method. docs/limits.md lists these limits.
 */
import type { FieldBounds } from '../../codec/field-counts.js';
import { WRITES_MAX } from '../../contexts/writes/batch.js';
import { TOUCHED_MAX } from '../../contexts/writes/member-times.js';
import { MAX_DEPTH } from '../../model/model.js';
import { MUTATIONS_MAX } from './context-messages.js';
import { KNOWN_MAX, PATHS_MAX, SUBSCRIPTIONS_MAX } from './sync-messages.js';

const PATH: FieldBounds = { 1: { name: 'keys', max: MAX_DEPTH } };
const MUTATION: FieldBounds = { 1: { name: 'path', max: MAX_DEPTH } };
const TOUCH: FieldBounds = { 3: { name: 'paths', max: TOUCHED_MAX, inside: PATH } };
const UPDATE: FieldBounds = { 3: { name: 'mutations', max: MUTATIONS_MAX, inside: MUTATION } };

export const BOUNDS: { readonly [method: string]: FieldBounds } = {
  UpdateContext: UPDATE,
  TouchContext: TOUCH,
  BatchWrite: {
    1: {
      name: 'writes',
      max: WRITES_MAX,
      inside: { 2: { name: 'update', max: 1, inside: UPDATE }, 5: { name: 'touch', max: 1, inside: TOUCH } },
    },
  },
  SyncContext: { 5: { name: 'paths', max: PATHS_MAX, inside: PATH } },
  WatchContexts: {
    1: {
      name: 'subscriptions',
      max: SUBSCRIPTIONS_MAX,
      inside: {
        3: { name: 'known', max: KNOWN_MAX, inAll: true },
        4: { name: 'paths', max: PATHS_MAX, inside: PATH },
      },
    },
  },
};

/**
 * How often the repeated fields of requests may occur, by the name of the method. docs/limits.md lists these limits.
 */
import type { FieldBounds } from '../../codec/field-counts.js';
import { ANNOTATIONS_MAX } from '../../codec/provenance.js';
import { CHECKS_MAX } from '../../contexts/checks.js';
import { WRITES_MAX } from '../../contexts/writes/batch.js';
import { GUARDED_MAX } from '../../contexts/writes/conditions.js';
import { TOUCHED_MAX } from '../../contexts/writes/member-times.js';
import { MAX_DEPTH } from '../../model/model.js';
import { MUTATIONS_MAX } from './context-messages.js';
import { KNOWN_MAX, PATHS_MAX, SUBSCRIPTIONS_MAX, WATCHED_PATHS_MAX } from './sync-messages.js';

const PATH: FieldBounds = { 1: { name: 'keys', max: MAX_DEPTH } };
const MUTATION: FieldBounds = { 1: { name: 'path', max: MAX_DEPTH } };
const TOUCH: FieldBounds = { 3: { name: 'paths', max: TOUCHED_MAX, inside: PATH } };
const CHECK: FieldBounds = { 1: { name: 'path', max: 1, inside: PATH } };
const EXPECTED: FieldBounds = {
  4: { name: 'unchanged', max: 1, inside: { 2: { name: 'paths', max: GUARDED_MAX, inside: PATH } } },
  5: { name: 'checks', max: CHECKS_MAX, inside: CHECK },
};
/** By the number of the field `expected`. */
const expectedIn = (field: number): FieldBounds => ({ [field]: { name: 'expected', max: 1, inside: EXPECTED } });
const ANNOTATIONS = { name: 'annotations', max: ANNOTATIONS_MAX };
const UPDATE: FieldBounds = {
  3: { name: 'mutations', max: MUTATIONS_MAX, inside: MUTATION },
  ...expectedIn(5),
  9: ANNOTATIONS,
};
const SET = { ...expectedIn(3), 7: ANNOTATIONS };
const REVERT = SET;
const DELETE = { ...expectedIn(2), 5: ANNOTATIONS };

export const BOUNDS: { readonly [method: string]: FieldBounds } = {
  SetContext: SET,
  UpdateContext: UPDATE,
  RevertContext: REVERT,
  DeleteContext: DELETE,
  TouchContext: TOUCH,
  BatchWrite: {
    1: {
      name: 'writes',
      max: WRITES_MAX,
      inside: {
        1: { name: 'set', max: 1, inside: SET },
        2: { name: 'update', max: 1, inside: UPDATE },
        3: { name: 'revert', max: 1, inside: REVERT },
        4: { name: 'delete', max: 1, inside: DELETE },
        5: { name: 'touch', max: 1, inside: TOUCH },
      },
    },
  },
  WaitContext: {
    3: { name: 'until', max: CHECKS_MAX, inside: CHECK },
    6: { name: 'paths', max: PATHS_MAX, inside: PATH },
  },
  BlameContext: { 2: { name: 'paths', max: PATHS_MAX, inside: PATH } },
  SyncContext: { 5: { name: 'paths', max: PATHS_MAX, inside: PATH } },
  WatchContexts: {
    1: {
      name: 'subscriptions',
      max: SUBSCRIPTIONS_MAX,
      inside: {
        3: { name: 'known', max: KNOWN_MAX, inAll: KNOWN_MAX },
        4: { name: 'paths', max: PATHS_MAX, inAll: WATCHED_PATHS_MAX, inside: PATH },
      },
    },
  },
};

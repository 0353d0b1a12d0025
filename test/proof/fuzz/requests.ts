/** Valid requests of the unary calls, from which mutations start. */

import { AdminServiceService } from '../../../src/gen/chord/v1/admin_service.js';
import { CleanupServiceService } from '../../../src/gen/chord/v1/cleanup_service.js';
import { ContextServiceService } from '../../../src/gen/chord/v1/context_service.js';
import { SyncServiceService } from '../../../src/gen/chord/v1/sync_service.js';
import type { Method } from '../../support/chord.js';
import { bytesOf } from '../../support/chord.js';

export interface Seed {
  readonly method: Pick<Method<never, unknown>, 'path' | 'responseDeserialize'>;
  readonly bytes: Buffer;
}

function seed<Q>(method: Method<Q, unknown>, request: Partial<Q>): Seed {
  return { method: method as unknown as Seed['method'], bytes: bytesOf(method, request) };
}

const value = { n: 1, list: [1, 'two', null, { three: [true] }], text: 'words', deep: { er: { still: {} } } };
const expected = { condition: { $case: 'version' as const, value: 3 }, checks: [] };
const returning = { context: true, delta: true, oldValues: true, format: 'json-patch' };
const mutations = [
  { path: ['n'], operation: { $case: 'increment' as const, value: 2 } },
  { path: ['deep', 'x'], operation: { $case: 'set' as const, value: [1, { a: 'b' }] } },
];
const annotations = new Map([['ticket', '7']]);
const update = { contextId: 'a', changes: { k: { l: 1 } }, mutations, allowMissing: true, requestId: '', annotations };
const { setContext, updateContext, getContext, deleteContext, revertContext, touchContext, batchWrite, listContexts } =
  ContextServiceService;

export const SEEDS: readonly Seed[] = [
  seed(setContext, { contextId: 'a', value, requestId: 'r', ttl: { seconds: 60, nanos: 5 }, returning }),
  seed(setContext, { contextId: 'b', value, expected }),
  seed(updateContext, { ...update, returning }),
  seed(getContext, { contextId: 'a' }),
  seed(deleteContext, { contextId: 'b', requestId: 's', allowMissing: true }),
  seed(revertContext, { contextId: 'a', version: 1 }),
  seed(touchContext, { contextId: 'a', ttl: { seconds: 1, nanos: 0 } }),
  seed(batchWrite, {
    requestId: 't',
    writes: [
      { write: { $case: 'update', value: update } },
      { write: { $case: 'set', value: { contextId: 'c', value, requestId: '', annotations } } },
    ],
  }),
  seed(listContexts, { prefix: 'a', pageSize: 10 }),
  seed(SyncServiceService.syncContext, {
    contextId: 'a',
    known: { epoch: 'abcdefgh', version: 2, digest: 'abcdefgh' },
  }),
  seed(SyncServiceService.listDeltas, { contextId: 'a', fromVersion: 1, pageSize: 5 }),
  seed(SyncServiceService.blameContext, {
    contextId: 'a',
    paths: [{ keys: ['k'] }],
    pageSize: 5,
    pageToken: 'a:1:0:0',
  }),
  ...[...Object.values(CleanupServiceService), ...Object.values(AdminServiceService)]
    .filter(({ responseStream }) => !responseStream)
    .map((method) => seed(method as Method<object, unknown>, {})),
];

/** Programs that embed Chord read of their own terms what is wrong with a request; gRPC clients read those of the .proto. */
import test from 'ava';
import type { BatchedWrite } from '../../src/contexts/writes/batch.js';
import { ofBatch, protoField, protoMessage } from '../../src/grpc/codec/field-names.js';
import { ChordError } from '../../src/model/errors.js';
import { openChord } from '../../src/server/app.js';

test('errors of the library name the fields of the library', async (t) => {
  const { contexts, close } = await openChord({ backend: 'memory' });
  await contexts.set('a', { n: 1 });
  await contexts.set('a', { n: 2 });
  const writes: BatchedWrite[] = [{ kind: 'set', id: '', value: {} }];
  const calls: Record<string, () => unknown> = {
    id: () => contexts.get(''),
    prefix: () => contexts.list('\0'),
    requestId: () => contexts.set('a', {}, { requestId: 'x'.repeat(129) }),
    pageSize: () => contexts.list('', { pageSize: -1 }),
    pageToken: () => contexts.deltas('a', 0, { pageToken: 'none' }),
    ttl: () => contexts.touch('a', -1),
    'writes[0].id': () => contexts.batch(writes),
  };
  for (const [field, call] of Object.entries(calls)) {
    const error = await t.throwsAsync<ChordError>(async () => call(), { instanceOf: ChordError });
    t.is(error?.details.violations?.[0]?.field, field);
    t.true(error?.message.startsWith(`${field}: `), error?.message);
  }
  await close();
});

test('on the wire they have the names of the .proto', (t) => {
  const names = {
    id: 'context_id',
    requestId: 'request_id',
    pageToken: 'page_token',
    'writes[0].set.id': 'writes[0].set.context_id',
    'writes[0].update.mutations[3].path': 'writes[0].update.mutations[3].path',
    'subscriptions[0].context_id': 'subscriptions[0].context_id',
  };
  for (const [field, name] of Object.entries(names)) t.is(protoField(field), name);
  const value = {
    contextId: 'a',
    value: {},
    expected: undefined,
    ttl: undefined,
    requestId: '',
    annotations: new Map(),
    returning: undefined,
  };
  const violations = [{ field: 'writes[0].id', description: 'is wrong' }];
  const error = new ChordError('INVALID_ARGUMENT', 'writes[0].id: is wrong', { violations });
  const named = ofBatch(error, [{ write: { $case: 'set', value } }]) as ChordError;
  t.is(protoMessage(named), 'writes[0].set.context_id: is wrong');
  t.is(protoMessage(new ChordError('ABORTED', 'id: of no field')), 'id: of no field');
});

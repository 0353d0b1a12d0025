import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { type Subscription, WatchContextsRequest } from '../../../src/gen/chord/v1/sync_service.js';
import { decodeWatchInSteps } from '../../../src/grpc/codec/watch-request.js';
import { stepsOf } from '../../support/turns.js';

const encoded = (request: WatchContextsRequest) => Buffer.from(WatchContextsRequest.encode(request).finish());
const inSteps = (bytes: Buffer) => stepsOf(decodeWatchInSteps(bytes));

const text = fc.string({ unit: 'grapheme', maxLength: 8 });
const position = fc.record({ epoch: text, version: fc.nat(), digest: text });
const subscription: fc.Arbitrary<Subscription> = fc.record({
  target: fc.option(
    fc.oneof(
      text.map((value) => ({ $case: 'contextId' as const, value })),
      text.map((value) => ({ $case: 'prefix' as const, value })),
    ),
    { nil: undefined },
  ),
  known: fc.array(fc.tuple(text, position)).map((entries) => new Map(entries)),
  paths: fc.array(fc.record({ keys: fc.array(text) })),
});

test('a watch request that is decoded in steps is the same request', (t) => {
  fc.assert(
    fc.property(fc.array(subscription), text, fc.boolean(), (subscriptions, format, includeOldValues) => {
      const bytes = encoded({ subscriptions, format, includeOldValues, heartbeatInterval: { seconds: 2, nanos: 1 } });
      assert.deepEqual(inSteps(bytes).result, WatchContextsRequest.decode(bytes));
    }),
  );
  t.pass();
});

test('a large subscription is decoded in many steps', (t) => {
  const known = new Map(Array.from({ length: 5000 }, (_, n) => [`a${n}`, { epoch: 'e', version: n, digest: 'd' }]));
  const paths = Array.from({ length: 1000 }, (_, n) => ({ keys: [`key-${n}`] }));
  const target = { $case: 'prefix' as const, value: 'a' };
  const fields = { format: '', includeOldValues: false, heartbeatInterval: undefined };
  const bytes = encoded({ ...fields, subscriptions: [{ target, known, paths }] });
  const { result, steps } = inSteps(bytes);
  t.true(steps >= bytes.length / 20_000 && steps > 3, `${steps} steps for ${bytes.length} bytes`);
  t.is(assert.deepEqual(result, WatchContextsRequest.decode(bytes)), undefined);
});

test('a watch request that is cut off, or whose subscription ends within a field, is refused', (t) => {
  const known = new Map([['a', { epoch: 'e', version: 1, digest: 'd' }]]);
  const fields = { format: 'flat', includeOldValues: false, heartbeatInterval: undefined };
  const bytes = encoded({ ...fields, subscriptions: [{ target: undefined, known, paths: [] }] });
  for (let length = 1; length < bytes.length; length++) {
    const part = bytes.subarray(0, length);
    let whole: WatchContextsRequest | undefined;
    try {
      whole = WatchContextsRequest.decode(part);
    } catch {}
    if (whole) t.deepEqual(inSteps(part).result, whole);
    else t.is((t.throws(() => inSteps(part)) as { reason?: string }).reason, 'INVALID_ARGUMENT');
  }
  const shorter = Buffer.from(bytes);
  shorter[1]! -= 2;
  t.is((t.throws(() => inSteps(shorter)) as { reason?: string }).reason, 'INVALID_ARGUMENT');
});

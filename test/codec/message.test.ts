import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { decodeMessage } from '../../src/codec/message.js';
import { UpdateContextRequest } from '../../src/gen/chord/v1/context_service.js';
import { Mutation, Position } from '../../src/gen/chord/v1/model.js';
import { WatchContextsRequest } from '../../src/gen/chord/v1/sync_service.js';

const refuses = (what: () => unknown, message: RegExp) =>
  assert.throws(what, { name: 'ChordError', reason: 'INVALID_ARGUMENT', message });

test('a message comes back', (t) => {
  const mutation: Mutation = { path: ['ä', 'b'], operation: { $case: 'set', value: { c: [null] } }, ttl: undefined };
  t.deepEqual(decodeMessage(Mutation, Mutation.encode(mutation).finish()), mutation);
});

test('strings that are not UTF-8 are refused, not patched', (t) => {
  refuses(() => decodeMessage(Position, Buffer.of(0x0a, 2, 0x61, 0xff)), /not valid UTF-8/);
  refuses(() => decodeMessage(Mutation, Buffer.of(0x0a, 1, 0xc3)), /not valid UTF-8/);
  t.is(decodeMessage(Position, Buffer.from('0a03efbfbd', 'hex')).epoch, '\ufffd');
});

test('a version above 2^53 is refused', (t) => {
  const version = (value: bigint) => Position.encode({ epoch: '', version: Number(value), digest: '' }).finish();
  t.is(decodeMessage(Position, version(2n ** 53n - 1n)).version, Number.MAX_SAFE_INTEGER);
  refuses(() => decodeMessage(Position, Buffer.from('10ffffffffffffffffff01', 'hex')), /larger than/);
});

test('whatever the bytes are, only INVALID_ARGUMENT is thrown', (t) => {
  const bytes = fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ max: 0x3f, maxLength: 40 }));
  fc.assert(
    fc.property(fc.constantFrom(UpdateContextRequest, WatchContextsRequest), bytes, (type, some) => {
      try {
        decodeMessage<unknown>(type, some);
      } catch (error) {
        assert.equal((error as { reason?: string }).reason, 'INVALID_ARGUMENT', `${error}`);
      }
    }),
    { numRuns: 5000 },
  );
  t.pass();
});

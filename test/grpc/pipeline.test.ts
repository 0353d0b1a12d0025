/** The call pipeline alone, without a connection. */
import { Metadata, status } from '@grpc/grpc-js';
import test from 'ava';
import { Call, decoded, type Middleware } from '../../src/grpc/call.js';
import { decodeRequest } from '../../src/grpc/codec/request-decoding.js';
import { CallPipeline } from '../../src/grpc/pipeline.js';
import { ChordError } from '../../src/model/errors.js';

type Inner = ConstructorParameters<typeof Call>[0];

/** A call of one unary method on its way through this middleware, and what it says in the end. */
function begin(middleware: readonly Middleware[], decode: (bytes: Buffer) => unknown) {
  const seen: string[] = [];
  const next = {
    startRead() {},
    sendMessage() {},
    sendStatus: ({ code }: { code: status }) => void seen.push(`status ${code}`),
  };
  const pipeline = new CallPipeline(
    middleware,
    (error) => ({ code: status.ABORTED, details: String(error), metadata: new Metadata() }),
    (error) => void seen.push(String(error)),
  );
  const unary = () => void seen.push('handled');
  const encode = () => Buffer.alloc(0);
  const route = { path: '/s/n', service: 's', name: 'n', streams: false, decode, encode, unary };
  const call = new Call(next as unknown as Inner, route, pipeline, undefined);
  call.onReceiveMetadata(new Metadata());
  return { call, seen };
}

test('a defect of middleware that a call leaves is reported as such, and what stands before it is left too', (t) => {
  const left: string[] = [];
  const first: Middleware = { enter() {}, leave: () => void left.push('first') };
  const faulty: Middleware = {
    enter() {},
    leave() {
      throw new Error('a defect');
    },
  };
  const { call, seen } = begin([first, faulty, decoded], (bytes) => bytes);
  call.onReceiveMessage(Buffer.alloc(1));
  call.onReceiveHalfClose();
  t.deepEqual(seen, ['handled', 'Error: a defect', `status ${status.OK}`]);
  t.deepEqual(left, ['first']);
});

test('a request that cannot be decoded is refused: what stands behind never sees the call', (t) => {
  const ends: string[] = [];
  const before: Middleware = {
    enter() {},
    leave: ({ request, admitted }, { code }) => void ends.push(`${request} ${admitted} ${code}`),
  };
  const behind: Middleware = { enter: () => t.fail() };
  const refuse = decodeRequest((): never => {
    throw new ChordError('INVALID_ARGUMENT', 'no request');
  });
  const { call, seen } = begin([before, decoded, behind], refuse);
  call.onReceiveMessage(Buffer.alloc(1));
  call.onReceiveHalfClose();
  t.deepEqual(seen, [`status ${status.ABORTED}`]);
  t.deepEqual(ends, [`undefined false ${status.ABORTED}`]);
});

test('middleware writes the slots of a call that it names, and no others', (t) => {
  const clock: Middleware<'startedAt'> = {
    enter(call) {
      call.startedAt = 7;
      // @ts-expect-error it does not name this one
      call.traceId = 'x';
    },
  };
  const reader: Middleware = {
    enter(call) {
      t.is(call.startedAt, 7);
      // @ts-expect-error it names none
      call.startedAt = 8;
    },
  };
  t.notThrows(() => begin([clock, reader], (bytes) => bytes));
});

/** The hand-written encoder writes, byte for byte, what the generated code writes. */
import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { decodeChanges, encodeChanges } from '../../../src/codec/changes.js';
import { decodeProvenance, encodeProvenance } from '../../../src/codec/provenance.js';
import { EncodedStruct, encodeStruct } from '../../../src/codec/struct.js';
import type { DeltaView, FullReason, RemovalReason, SyncResult, View } from '../../../src/contexts/events.js';
import { type DeltaPage, tokenAfterDelta } from '../../../src/contexts/pagination.js';
import { type DeltaForm, isFormatted, PLAIN } from '../../../src/contexts/sync/formats.js';
import type { BatchedResult } from '../../../src/contexts/writes/batch.js';
import type { WriteResult } from '../../../src/contexts/writes/writes.js';
import { Inexpressible } from '../../../src/delta/formats/format.js';
import {
  BatchWriteResponse,
  DeleteContextResponse,
  GetContextResponse,
  RevertContextResponse,
  SetContextResponse,
  UpdateContextResponse,
} from '../../../src/gen/chord/v1/context_service.js';
import { Cause, type Context, type Delta, FullReason as ProtoReason } from '../../../src/gen/chord/v1/model.js';
import {
  DeletedReason,
  ListDeltasResponse,
  SyncContextResponse,
  WatchContextsResponse,
} from '../../../src/gen/chord/v1/sync_service.js';
import type { Timestamp } from '../../../src/gen/google/protobuf/timestamp.js';
import {
  batchResponse,
  deltasResponse,
  formattedPage,
  getResponse,
  syncResponse,
  watchResponse,
  writeResponse,
} from '../../../src/grpc/codec/response-encoder.js';
import type { Head, JsonObject, Payload, Position } from '../../../src/model/model.js';
import type { WatchEvent } from '../../../src/watch/subscription.js';
import { copied, jsonObject, jsonValue } from '../../support/arbitrary.js';
import { deltaChanges, toProto } from '../../support/changes.js';

const WITH_OLDS: DeltaForm = { key: 'changes, old values', oldValues: true };
const REASONS: FullReason[] = ['initial', 'epoch_changed', 'ahead', 'diverged', 'history_truncated', 'delta_larger'];
const YEAR_9999 = 253_402_300_799_999;
const plain = { noNullPrototype: true } as const;

const text = fc.string({ unit: 'binary', maxLength: 40 });
const time = fc.oneof(
  fc.nat(2000),
  fc.maxSafeNat().map((at) => at % YEAR_9999),
);
const version = fc.oneof(fc.nat(300), fc.maxSafeNat());
const position: fc.Arbitrary<Position> = fc.record({ epoch: text, version, digest: text }, plain);
const expiry = fc.record({ at: time, ttl: time }, plain);
const head: fc.Arbitrary<Head> = fc
  .record({ position, createdAt: time, updatedAt: time, weight: fc.nat(), expiry: fc.option(expiry) }, plain)
  .map(({ expiry, ...rest }) => (expiry ? { ...rest, expiry } : rest));
const view: fc.Arbitrary<View> = fc.record(
  { id: text, head, value: jsonObject.map((document) => new EncodedStruct(encodeStruct(document))) },
  plain,
);
const short = fc.string({ maxLength: 20 });
const annotations = fc.dictionary(fc.string({ minLength: 1, maxLength: 20 }), short);
const authorship = fc.record({ author: short, annotations }, plain);
const delta: fc.Arbitrary<DeltaView> = fc
  .record(
    {
      id: text,
      from: position,
      to: position,
      payload: deltaChanges.map((changes) => encodeChanges(changes) as Payload),
      at: time,
      expired: fc.boolean(),
      provenance: fc.option(authorship),
    },
    plain,
  )
  .map(({ expired, provenance, ...rest }) => {
    const bytes = provenance && encodeProvenance(provenance.author, provenance.annotations);
    return { ...rest, ...(expired && { cause: 'expired' }), ...(bytes && { provenance: bytes }) };
  });
const form: fc.Arbitrary<DeltaForm> = fc.oneof(
  fc.constantFrom(PLAIN, WITH_OLDS),
  jsonValue.map((value) => formatted(() => copied(value))),
  text.map((why) => formatted(() => new Inexpressible(why))),
);
const write: fc.Arbitrary<WriteResult> = fc.record(
  {
    position: fc.option(position, { nil: undefined }),
    changed: fc.boolean(),
    view: fc.option(view, { nil: undefined }),
    delta: fc.option(delta, { nil: undefined }),
  },
  plain,
);

let forms = 0;

function formatted(format: NonNullable<DeltaForm['format']>['format']): DeltaForm {
  return { key: `form ${forms++}`, oldValues: false, format: { name: 'test', whole: undefined, format } };
}

// The same in the words of the proto, for the generated encoder.

function protoTime(at: number): Timestamp {
  const millis = at % 1000;
  return { seconds: (at - millis) / 1000, nanos: millis * 1_000_000 };
}

function protoContext(id: string, head: Head, value?: EncodedStruct): Context {
  return {
    contextId: id,
    value: value as JsonObject | undefined, // the generated code copies what is encoded already
    position: head.position,
    createdAt: protoTime(head.createdAt),
    updatedAt: protoTime(head.updatedAt),
    expiresAt: head.expiry && protoTime(head.expiry.at),
  };
}

const protoView = ({ id, head, value }: View): Context => protoContext(id, head, value);

function protoDelta(view: DeltaView, { format, oldValues }: DeltaForm): Delta {
  const { id, from, to, payload, at, cause } = view;
  const { author, annotations } = decodeProvenance(view.provenance);
  const said = new Map(Object.entries(annotations).sort(([a], [b]) => (a < b ? -1 : 1)));
  const provenance =
    cause || view.provenance
      ? { cause: cause ? Cause.EXPIRED : Cause.UNSPECIFIED, author, annotations: said }
      : undefined;
  const base = {
    contextId: id,
    from,
    to,
    updatedAt: protoTime(at),
    formatted: undefined,
    inexpressible: '',
    provenance,
  };
  const changes = decodeChanges(payload.changes, oldValues ? payload.olds : undefined);
  if (!format) return { ...base, changes: changes.map(toProto) };
  const made = format.format({ contextId: id, changes, oldValues });
  return made instanceof Inexpressible
    ? { ...base, changes: [], inexpressible: made.why || 'the format cannot express these changes' }
    : { ...base, changes: [], formatted: made };
}

function protoWrite({ position, changed, view, delta }: WriteResult, form: DeltaForm) {
  return { position, changed, context: view && protoView(view), delta: delta && protoDelta(delta, form) };
}

const protoReason = (reason: FullReason): ProtoReason => ProtoReason[reason.toUpperCase() as keyof typeof ProtoReason];

function protoEvent(event: WatchEvent, form: DeltaForm): WatchContextsResponse['event'] {
  switch (event.kind) {
    case 'full':
      return { $case: 'full', value: { context: protoView(event.view), reason: protoReason(event.reason) } };
    case 'delta':
      return { $case: 'delta', value: protoDelta(event.delta, form) };
    case 'deleted': {
      const { id: contextId, position } = event;
      const reason = DeletedReason[event.reason.toUpperCase() as keyof typeof DeletedReason];
      return { $case: 'deleted', value: { contextId, position, reason } };
    }
    case 'absent':
      return { $case: 'absent', value: { contextId: event.id } };
    case 'caught_up':
      return { $case: 'caughtUp', value: {} };
    case 'heartbeat':
      throw new Error('a heartbeat carries the time: it has a test of its own');
  }
}

/** Fails with both messages in the words of the proto where the bytes differ. */
function same<T>(
  type: { encode(message: T): { finish(): Uint8Array }; decode(bytes: Uint8Array): T },
  actual: Buffer,
  message: T,
) {
  const expected = Buffer.from(type.encode(message).finish());
  if (actual.equals(expected)) return;
  assert.deepEqual(type.decode(actual), type.decode(expected));
  assert.equal(actual.toString('hex'), expected.toString('hex'));
}

test('SetContext, UpdateContext, RevertContext', (t) => {
  fc.assert(
    fc.property(write, form, (result, form) => {
      const bytes = writeResponse(result, form);
      for (const type of [SetContextResponse, UpdateContextResponse, RevertContextResponse]) {
        same(type, bytes, protoWrite(result, form));
      }
    }),
    { numRuns: 300 },
  );
  t.pass();
});

test('DeleteContext', (t) => {
  fc.assert(
    fc.property(fc.option(position, { nil: undefined }), fc.boolean(), (position, changed) => {
      same(DeleteContextResponse, writeResponse({ position, changed }, PLAIN), { position, changed });
    }),
  );
  t.pass();
});

test('BatchWrite', (t) => {
  const touched = fc.record({ position, changed: fc.boolean(), head }, plain);
  const result: fc.Arbitrary<BatchedResult> = fc.oneof(
    { weight: 3, arbitrary: write },
    { weight: 1, arbitrary: touched },
  );
  const writes = fc.array(fc.record({ id: text, result, form }, plain), { maxLength: 4 });
  fc.assert(
    fc.property(writes, (all) => {
      const results = all.map(({ id, result, form }) => {
        const answer = protoWrite(result, form);
        return result.head ? { ...answer, context: protoContext(id, result.head) } : answer;
      });
      same(BatchWriteResponse, batchResponse(all), { results });
    }),
  );
  t.pass();
});

test('GetContext', (t) => {
  fc.assert(
    fc.property(view, fc.array(fc.record({ path: fc.array(text), at: time }, plain)), (view, expiries) => {
      const sent = expiries.map(({ path, at }) => ({ path: { keys: path }, expiresAt: protoTime(at) }));
      same(GetContextResponse, getResponse(view, expiries), { context: protoView(view), expiries: sent });
    }),
  );
  t.pass();
});

test('SyncContext', (t) => {
  const results: fc.Arbitrary<SyncResult> = fc.oneof(
    fc.record({ kind: fc.constant('full' as const), view, reason: fc.constantFrom(...REASONS) }, plain),
    fc.record({ kind: fc.constant('delta' as const), delta }, plain),
    fc.record({ kind: fc.constant('no_change' as const), position }, plain),
  );
  fc.assert(
    fc.property(results, form, (result, form) => {
      const expected: SyncContextResponse['result'] =
        result.kind === 'no_change'
          ? { $case: 'noChange', value: { position: result.position } }
          : (protoEvent(result as WatchEvent, form) as SyncContextResponse['result']);
      same(SyncContextResponse, syncResponse('a', result, form), { result: expected });
    }),
    { numRuns: 300 },
  );
  assert.throws(() => syncResponse('a', { kind: 'missing' }, PLAIN), { reason: 'NOT_FOUND' });
  t.pass();
});

const pageIn = (page: DeltaPage, form: DeltaForm) =>
  isFormatted(form) ? formattedPage(page, form) : deltasResponse(page, form);

test('ListDeltas', async (t) => {
  const pages: fc.Arbitrary<DeltaPage> = fc.record(
    { deltas: fc.array(delta, { maxLength: 4 }), nextPageToken: text, head: position, truncated: fc.boolean() },
    plain,
  );
  await fc.assert(
    fc.asyncProperty(pages, form, async (page, form) => {
      const deltas = page.deltas.map((each) => protoDelta(each, form));
      same(ListDeltasResponse, await pageIn(page, form), { ...page, deltas });
    }),
  );
  t.pass();
});

test('WatchContexts: each event in several forms, asked for in any order and more than once', (t) => {
  const events: fc.Arbitrary<WatchEvent> = fc.oneof(
    fc.record({ kind: fc.constant('full' as const), view, reason: fc.constantFrom(...REASONS) }, plain),
    fc.record({ kind: fc.constant('delta' as const), delta }, plain),
    fc.record(
      {
        kind: fc.constant('deleted' as const),
        id: text,
        position,
        reason: fc.constantFrom<RemovalReason>('deleted', 'expired'),
      },
      plain,
    ),
    fc.record({ kind: fc.constant('absent' as const), id: text }, plain),
    fc.constant({ kind: 'caught_up' as const }),
  );
  const asked = fc.array(fc.record({ event: fc.nat(), form: fc.nat(), more: fc.boolean() }, plain), { maxLength: 12 });
  fc.assert(
    fc.property(
      fc.array(events, { minLength: 1, maxLength: 3 }),
      fc.array(form, { minLength: 1, maxLength: 3 }),
      asked,
      (all, forms, order) => {
        for (const { event: e, form: f, more } of order) {
          const [event, form] = [all[e % all.length]!, forms[f % forms.length]!];
          same(WatchContextsResponse, watchResponse(event, form, more), { event: protoEvent(event, form), more });
        }
      },
    ),
    { numRuns: 300 },
  );
  t.pass();
});

test('WatchContexts: a heartbeat says what it vouches for, if that is known', (t) => {
  for (const at of [1_790_000_000_123, undefined]) {
    const bytes = watchResponse({ kind: 'heartbeat', at }, PLAIN, false);
    const sentAt = at === undefined ? undefined : protoTime(at);
    same(WatchContextsResponse, bytes, { event: { $case: 'heartbeat', value: { sentAt } }, more: false });
  }
  t.pass();
});

const SMALL: DeltaView = {
  id: 'a',
  from: { epoch: 'e', version: 0, digest: '' },
  to: { epoch: 'e', version: 1, digest: 'd' },
  payload: encodeChanges([{ action: 'added', path: ['a'], value: 1 }]),
  at: 1,
};

test('a reason of any length is cut to 500 characters, and never through one', (t) => {
  const reasonOf = (why: string) => {
    const form = formatted(() => new Inexpressible(why));
    const { result } = SyncContextResponse.decode(syncResponse('a', { kind: 'delta', delta: SMALL }, form));
    return result?.$case === 'delta' ? result.value.inexpressible : undefined;
  };
  t.is(reasonOf('x'.repeat(500)), 'x'.repeat(500));
  t.is(reasonOf('x'.repeat(501)), 'x'.repeat(500));
  t.is(reasonOf(`${'x'.repeat(499)}𝄞`), `${'x'.repeat(499)}\ufffd`);
});

test('a page whose format makes it large ends early, and the next one begins there', async (t) => {
  const deltas = [1, 2, 3, 4].map((version) => ({ ...SMALL, to: { ...SMALL.to, version } }));
  const head = deltas[3]!.to;
  const form = formatted(() => 'x'.repeat(400_000));
  const page = { deltas, nextPageToken: 'further', head, truncated: true };
  same(ListDeltasResponse, await pageIn(page, form), {
    deltas: deltas.slice(0, 3).map((each) => protoDelta(each, form)),
    nextPageToken: tokenAfterDelta(deltas[2]!.to),
    head,
    truncated: true,
  });
  t.pass();
});

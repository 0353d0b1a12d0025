import assert from 'node:assert/strict';
import test from 'ava';
import fc from 'fast-check';
import { changesFromProto, decodeChanges, encodeChanges, spliceOlds } from '../../src/codec/changes.js';
import type { Changes, TextSpliced } from '../../src/delta/types.js';
import { ChangeAction, Delta } from '../../src/gen/chord/v1/model.js';
import { ChordError } from '../../src/model/errors.js';
import { deltaChanges, toProto } from '../support/changes.js';

/** As it is sent to those who do not ask for old values. */
function withoutOlds(changes: Changes): Changes {
  return changes.map((one) => {
    if (one.action === 'spliced') {
      const { removed: _removed, ...rest } = one;
      return one.removedCount === 0 ? one : rest;
    }
    if (one.action === 'text_spliced') {
      const { removed: _removed, ...rest } = withoutBytes(one);
      return one.removedCount === 0 ? withoutBytes(one) : rest;
    }
    if (one.action === 'added') return one;
    const { old: _old, ...rest } = one;
    return rest;
  });
}

/** The bytes of the old string are stored and never sent. */
function withoutBytes(change: TextSpliced): TextSpliced {
  const { oldBytes: _bytes, ...rest } = change;
  return rest;
}

function asSent(changes: Changes): Changes {
  return changes.map((one) => (one.action === 'text_spliced' ? withoutBytes(one) : one));
}

/** The generated encoding of a Delta in which nothing but its changes is set. */
const generated = (changes: Changes) =>
  Delta.encode({ ...Delta.decode(new Uint8Array()), changes: changes.map(toProto) }).finish();

test('a delta comes back with its old values, and without', (t) => {
  fc.assert(
    fc.property(deltaChanges, (changes) => {
      const payload = encodeChanges(changes);
      assert.deepEqual(decodeChanges(payload.changes, payload.olds), changes);
      assert.deepEqual(decodeChanges(payload.changes), withoutOlds(changes));
    }),
  );
  t.pass();
});

test('a delta that never had old values comes back as it was', (t) => {
  fc.assert(
    fc.property(deltaChanges.map(withoutOlds), (changes) => {
      const payload = encodeChanges(changes);
      assert.deepEqual(decodeChanges(payload.changes, payload.olds), changes);
      assert.deepEqual(spliceOlds(payload), payload.changes);
    }),
  );
  t.pass();
});

test('the bytes are those of the generated Delta, with old values and without', (t) => {
  fc.assert(
    fc.property(deltaChanges, (changes) => {
      const payload = encodeChanges(changes);
      assert.deepEqual(payload.changes, generated(withoutOlds(changes)));
      assert.deepEqual(spliceOlds(payload), generated(changes));
      assert.deepEqual(decodeChanges(spliceOlds(payload)), asSent(changes));
    }),
  );
  t.pass();
});

test('a received Delta becomes the changes that were sent', (t) => {
  fc.assert(
    fc.property(deltaChanges, (changes) => {
      assert.deepEqual(changesFromProto(Delta.decode(generated(changes)).changes), asSent(changes));
      assert.deepEqual(changesFromProto(Delta.decode(generated(withoutOlds(changes))).changes), withoutOlds(changes));
    }),
  );
  t.pass();
});

test('null, {} and [] are old values; absent is none', (t) => {
  for (const old of [null, {}, [], '', 0, false]) {
    const changes: Changes = [{ action: 'removed', path: ['a'], old }];
    const payload = encodeChanges(changes);
    t.deepEqual(decodeChanges(payload.changes, payload.olds), [...changes]);
  }
  const [removed] = decodeChanges(encodeChanges([{ action: 'removed', path: ['a'] }]).changes, Buffer.of(0));
  t.false('old' in removed!);
});

test('stored bytes that are broken are DATA_LOSS, and nothing else is ever thrown', (t) => {
  const edit = fc.record({ at: fc.nat(), removed: fc.nat(3), inserted: fc.array(fc.nat(255), { maxLength: 3 }) });
  const broken = (bytes: Uint8Array, edits: { at: number; removed: number; inserted: number[] }[]) => {
    const list = [...bytes];
    for (const { at, removed, inserted } of edits) list.splice(at % (list.length + 1), removed, ...inserted);
    return Uint8Array.from(list);
  };
  const edits = fc.array(edit, { maxLength: 2 });
  fc.assert(
    fc.property(deltaChanges, edits, edits, (changes, some, others) => {
      const payload = encodeChanges(changes);
      try {
        decodeChanges(broken(payload.changes, some), broken(payload.olds, others));
      } catch (error) {
        assert.ok(error instanceof ChordError && error.reason === 'DATA_LOSS', `${error}`);
      }
    }),
    { numRuns: 3000 },
  );
  t.pass();
});

test('each way to be broken is told', (t) => {
  const good = encodeChanges([{ action: 'modified', path: ['a'], value: 1, old: 2 }]);
  const spliced = { action: 'spliced', path: ['a'], index: 0, removedCount: 2, inserted: [] } as const;
  const proto = toProto({ action: 'added', path: ['a'], value: 1 });
  const fails = (what: () => unknown, message: RegExp) =>
    assert.throws(what, { name: 'ChordError', reason: 'DATA_LOSS', message });

  fails(() => decodeChanges(good.changes.subarray(1)), /in place of a change/);
  fails(() => decodeChanges(good.changes.subarray(0, -1)), /ends beyond its message/);
  fails(() => decodeChanges(good.changes, new Uint8Array()), /ends beyond its message/);
  fails(() => decodeChanges(good.changes, Buffer.concat([good.olds, good.olds])), /more old values than changes/);
  fails(
    () => decodeChanges(encodeChanges([{ ...spliced, removed: [1] }]).changes, Buffer.of(6, 0x1a, 4, 0x1a, 2, 97, 98)),
    /1 of 2 removed/,
  );
  fails(() => changesFromProto([{ ...proto, path: [] }]), /path is missing/);
  fails(() => changesFromProto([{ ...proto, value: undefined }]), /added value is missing/);
  fails(() => changesFromProto([{ ...proto, value: undefined, action: ChangeAction.MODIFIED }]), /new value is mis/);
  fails(() => changesFromProto([{ ...proto, action: ChangeAction.SPLICED }]), /splice is missing/);
  fails(() => changesFromProto([{ ...proto, action: ChangeAction.UNSPECIFIED }]), /unknown action 0/);
  t.pass();
});

test('what is not JSON does not get into a delta', (t) => {
  const error = t.throws(() => encodeChanges([{ action: 'added', path: ['a'], value: Number.NaN }]));
  t.like(error, { reason: 'INVALID_ARGUMENT' });
  t.throws(() => encodeChanges([{ action: 'removed', path: ['\ud800'], old: 1 }]), { message: /surrogate/ });
});

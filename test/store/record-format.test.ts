import test from 'ava';
import { MERGED_PROVENANCE_BYTES_MAX, PROVENANCE_BYTES_MAX } from '../../src/model/model.js';
import { decodeRecord, decodeSnapshot, encodeRecord, encodeSnapshot } from '../../src/store/record-format.js';

const position = { epoch: 'AAAAAAAA', version: 1, digest: 'BBBBBBBB' };
const record = { position, at: 5, changes: Buffer.from('changes'), olds: Buffer.from('olds') };

test('a record without an author is stored as the first release stored it', (t) => {
  const short = { position, at: 5, changes: Buffer.from('ch'), olds: Buffer.from('o') };
  const numbers = '3ff0000000000000' + '4014000000000000';
  const lengths = '00000008' + '00000008' + '00000002' + '00000001';
  const blobs = '4141414141414141' + '4242424242424242' + '6368' + '6f';
  t.is(encodeRecord(short).toString('hex'), `010204${numbers}${lengths}${blobs}`);
  t.is(encodeRecord({ ...short, provenance: undefined, cause: undefined }).length, 3 + 16 + 16 + 19);
});

test('who wrote a record stands among its numbers, which the first release skips', (t) => {
  for (const length of [0, 1, 6, 7, 14, PROVENANCE_BYTES_MAX]) {
    const provenance = Buffer.alloc(length, 0xff);
    const bytes = encodeRecord({ ...record, provenance });
    t.deepEqual(decodeRecord(bytes, 'it'), { ...record, provenance });
    // As the first release reads: the count of numbers, two of which it needs, and four byte strings behind them.
    const numbers = bytes[1]!;
    t.is(bytes.length, 3 + 8 * numbers + 4 * 4 + 8 + 8 + record.changes.length + record.olds.length);
    t.is(bytes.readDoubleBE(3), position.version);
    t.is(bytes.subarray(bytes.length - 4).toString(), 'olds');
    t.not(bytes.readDoubleBE(3 + 16), 1, 'which would be: expired');
    const damaged = Buffer.from(bytes);
    damaged.writeUInt16BE(PROVENANCE_BYTES_MAX + 1, 3 + 24);
    t.throws(() => decodeRecord(damaged, 'it'), { message: 'it: the stored bytes are damaged' });
  }
});

test('the base of a merged record stands behind its provenance, among the numbers', (t) => {
  const merged = { base: { epoch: 'AAAAAAAA', version: 7, digest: 'CCCCCCCC' }, seal: 'DDDDDDDD' };
  const whole = { ...record, position: { ...position, version: 9 }, merged };
  const provenances = [0, 5, MERGED_PROVENANCE_BYTES_MAX].map((length) => ({ provenance: Buffer.alloc(length, 0xff) }));
  for (const origin of [{}, { cause: 'expired' as const }, ...provenances]) {
    const bytes = encodeRecord({ ...whole, ...origin });
    t.deepEqual(decodeRecord(bytes, 'it'), { ...whole, ...origin });
    // As releases without merged records read it.
    t.is(bytes.length, 3 + 8 * bytes[1]! + 4 * 4 + 8 + 8 + record.changes.length + record.olds.length);
    t.is(bytes.readDoubleBE(3), 9);
  }
  const bytes = encodeRecord(whole);
  for (const at of [3 + 24, 3 + 26 + 8, 3 + 26 + 9]) {
    const damaged = Buffer.from(bytes);
    damaged[at] = 0xff;
    t.throws(() => decodeRecord(damaged, 'it'), { message: 'it: the stored bytes are damaged' }, `${at}`);
  }
});

test('a stored frame names its format and the encoding of its payload', (t) => {
  const bytes = encodeRecord(record);
  t.is(bytes[0], 0x01); // as it has been since the first release
  t.deepEqual(decodeRecord(bytes, 'it'), record);

  const later = Buffer.from(bytes);
  later[0] = 0x11;
  t.throws(() => decodeRecord(later, 'it'), { message: 'it: its encoding is 2, this Chord reads 1' });
  const snapshot = encodeSnapshot({ version: 1, bytes: Buffer.from('document') });
  snapshot[0] = 0x21;
  t.throws(() => decodeSnapshot(snapshot, 'it'), { message: 'it: its encoding is 3, this Chord reads 1' });
  later[0] = 0x02;
  t.throws(() => decodeRecord(later, 'it'), { message: 'it: the stored bytes are damaged' });
  t.throws(() => decodeRecord(Buffer.alloc(0), 'it'), { message: 'it: the stored bytes are damaged' });
});

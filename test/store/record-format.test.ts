import test from 'ava';
import { decodeRecord, decodeSnapshot, encodeRecord, encodeSnapshot } from '../../src/store/record-format.js';

const position = { epoch: 'AAAAAAAA', version: 1, digest: 'BBBBBBBB' };
const record = { position, at: 5, changes: Buffer.from('changes'), olds: Buffer.from('olds') };

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

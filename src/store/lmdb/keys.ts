/** The keys of the LMDB layout. */
import { ChordError } from '../../model/errors.js';
import { INDEXES } from '../retention-index.js';

/** The limit of LMDB with pages of 4 KiB. */
const MAX_KEY_BYTES = 1978;

export function idKey(id: string): Buffer {
  return Buffer.from(id);
}

export function logKey(id: string, version: number): Buffer {
  const length = Buffer.byteLength(id);
  const key = Buffer.allocUnsafe(length + 9);
  key.write(id);
  key[length] = 0;
  key.writeDoubleBE(version, length + 1);
  return key;
}

/** Sorts behind all versions: no version, as a double, begins with this byte. */
export function headKey(id: string): Buffer {
  const length = Buffer.byteLength(id);
  const key = Buffer.allocUnsafe(length + 2);
  key.write(id);
  key[length] = 0;
  key[length + 1] = 0xff;
  return key;
}

/** The version at the end of a log key. */
export function versionIn(key: Buffer): number {
  return key.readDoubleBE(key.length - 8);
}

export function memberKey(id: string, generation: number, number: number): Buffer {
  return Buffer.concat([Buffer.from(`${id}\0`), numberKey(generation), numberKey(number)]);
}

/** The two numbers at the end of a member's key. */
export function numbersIn(key: Buffer): { readonly generation: number; readonly number: number } {
  return { generation: key.readDoubleBE(key.length - 16), number: key.readDoubleBE(key.length - 8) };
}

/** `key` as in Store.due. A negative key is stored with an offset, from the point where doubles cease to be exact. */
export function dueKey(index: number, key: number, id: string): Buffer {
  return Buffer.concat([Buffer.from([index]), numberKey(key + indexOffset(index)), Buffer.from(id)]);
}

/** What is added to the keys of an index, so that none is negative. */
export function indexOffset(index: number): number {
  return INDEXES[index] === 'length' ? 2 ** 53 : 0;
}

export function requestKey(id: string, requestId: string): Buffer {
  const key = Buffer.from(`${id}\0${requestId}`);
  if (key.length > MAX_KEY_BYTES - 8) throw new ChordError('INVALID_ARGUMENT', 'the request id is too long');
  return key;
}

export function requestTimeKey(at: number, id: string, requestId: string): Buffer {
  return Buffer.concat([numberKey(at), requestKey(id, requestId)]);
}

/** The value must not be negative: then the bytes sort as the numbers do. */
export function numberKey(value: number): Buffer {
  const key = Buffer.allocUnsafe(8);
  key.writeDoubleBE(value);
  return key;
}

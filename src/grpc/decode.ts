/** Requests from bytes. What cannot be decoded becomes a ChordError in place of the request; handlers are never called with it. */
import { isUtf8 } from 'node:buffer';
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { ChordError, invalid } from '../errors.js';

export function decodeRequest<T>(decode: (input: Buffer) => T): (bytes: Buffer) => T | ChordError {
  return (bytes) => {
    try {
      // Generated code reads from a reader that it is given: this one is strict about strings.
      return decode(new BinaryReader(bytes, decodeUtf8) as unknown as Buffer);
    } catch (error) {
      if (error instanceof ChordError) return error;
      return invalid('request', `cannot be decoded: ${error instanceof Error ? error.message : 'malformed bytes'}`);
    }
  };
}

function decodeUtf8(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  if (text.includes('\ufffd') && !isUtf8(bytes)) throw invalid('request', 'holds a string that is not valid UTF-8');
  return text;
}

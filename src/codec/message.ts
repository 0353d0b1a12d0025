import { BinaryReader } from '@bufbuild/protobuf/wire';
import { ChordError, invalid } from '../model/errors.js';
import { asBuffer, utf8 } from './reader.js';

/**
 * Decodes a generated message. INVALID_ARGUMENT for malformed bytes and for invalid UTF-8 in any string: generated
 * decoders alone would replace the invalid part with U+FFFD, so that two ids become one.
 */
export function decodeMessage<T>(type: { decode(reader: BinaryReader): T }, bytes: Uint8Array): T {
  try {
    return type.decode(new BinaryReader(bytes, (text) => utf8(asBuffer(text))));
  } catch (cause) {
    if (cause instanceof ChordError) throw cause;
    throw invalid('message', `malformed bytes: ${cause instanceof Error ? cause.message : cause}`);
  }
}

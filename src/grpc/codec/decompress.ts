/**
 * Decompresses requests. Decompression stops at the size limit, and only a few requests are decompressed at a time: a
 * request that waits holds no more memory than its compressed bytes. Large messages, compressed or not, are decoded one at
 * a time.
 */
import { gunzip, inflate } from 'node:zlib';
import { ChordError } from '../../model/errors.js';
import { Slots } from '../../model/slots.js';
import { Turns } from '../../model/turns.js';

/** A higher compression ratio is taken for a decompression bomb: documents reach 5 to 50. */
const RATIO_MAX = 200;
/** Messages up to this many bytes decompressed are not checked for their ratio. */
const SMALL = 64 * 1024;
const AT_ONCE = 4;

/** A message of this many bytes has a turn of the event loop for itself. */
export const LARGE_BYTES = 64 * 1024;
export const largeMessages = new Turns();

const ENCODINGS = { gzip: gunzip, deflate: inflate } as const;

export type Encoding = keyof typeof ENCODINGS;

const slots = new Slots(AT_ONCE);

/** Whether messages in this encoding can be decompressed. */
export function isEncoding(encoding: string): encoding is Encoding {
  return Object.hasOwn(ENCODINGS, encoding);
}

/**
 * @param max bytes after decompression
 * Rejects with RESOURCE_EXHAUSTED for a message that is larger, with INVALID_ARGUMENT for one that cannot be
 * decompressed.
 */
export function decompress(message: Buffer, encoding: Encoding, max: number): Promise<Buffer> {
  const most = Math.min(max, Math.max(SMALL, RATIO_MAX * message.length));
  return slots.run(async () => {
    const bytes = await decompressed(message, encoding, most);
    // Holds the slot until all messages before are decoded.
    if (bytes.length >= LARGE_BYTES) await largeMessages.next();
    return bytes;
  });
}

function decompressed(message: Buffer, encoding: Encoding, maxOutputLength: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    ENCODINGS[encoding](message, { maxOutputLength }, (error: NodeJS.ErrnoException | null, bytes) => {
      if (!error) return resolve(bytes);
      reject(
        error.code === 'ERR_BUFFER_TOO_LARGE'
          ? new ChordError('RESOURCE_EXHAUSTED', `the message unpacks to more than ${maxOutputLength} bytes`)
          : new ChordError('INVALID_ARGUMENT', `the message is not ${encoding}`),
      );
    });
  });
}

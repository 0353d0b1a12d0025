/**
 * Requests that come packed. Unpacking stops at the limit, and a few at a time are unpacked: those that wait hold no
 * more than what was sent.
 */
import { gunzip, inflate } from 'node:zlib';
import { ChordError } from '../../model/errors.js';
import { Slots } from '../../model/slots.js';

/** What is packed tighter is a bomb: documents come to 5 to 50. */
const RATIO_MAX = 200;
/** Up to so many bytes nothing is asked about the ratio. */
const SMALL = 64 * 1024;
const AT_ONCE = 4;

const ENCODINGS = { gzip: gunzip, deflate: inflate } as const;

const slots = new Slots(AT_ONCE);

/** Whether a message in this encoding can be unpacked. */
export function isEncoding(encoding: string): encoding is keyof typeof ENCODINGS {
  return Object.hasOwn(ENCODINGS, encoding);
}

/**
 * @param max bytes, unpacked
 * Rejects with RESOURCE_EXHAUSTED where there are more, with INVALID_ARGUMENT where it cannot be unpacked.
 */
export function decompress(message: Buffer, encoding: keyof typeof ENCODINGS, max: number): Promise<Buffer> {
  const most = Math.min(max, Math.max(SMALL, RATIO_MAX * message.length));
  return slots.run(() => decompressed(message, encoding, most));
}

function decompressed(message: Buffer, encoding: keyof typeof ENCODINGS, maxOutputLength: number): Promise<Buffer> {
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

/**
 * Requests that come packed. Unpacking stops at the limit, and a few at a time are unpacked: those that wait hold no
 * more than what was sent.
 */
import { gunzip, inflate } from 'node:zlib';
import { ChordError } from '../../model/errors.js';

/** What is packed tighter is a bomb: documents come to 5 to 50. */
const RATIO_MAX = 200;
/** Up to so many bytes nothing is asked about the ratio. */
const SMALL = 64 * 1024;
const AT_ONCE = 4;

const KINDS = { gzip: gunzip, deflate: inflate } as const;

let underWay = 0;
const waiting: (() => void)[] = [];

/** Whether a message in this encoding can be unpacked. */
export function unpacks(encoding: string): encoding is keyof typeof KINDS {
  return Object.hasOwn(KINDS, encoding);
}

/**
 * @param max bytes, unpacked
 * Rejects with RESOURCE_EXHAUSTED where there are more, with INVALID_ARGUMENT where it cannot be unpacked.
 */
export async function unpack(message: Buffer, encoding: keyof typeof KINDS, max: number): Promise<Buffer> {
  if (underWay === AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else underWay++;
  try {
    return await unpacked(message, encoding, Math.min(max, Math.max(SMALL, RATIO_MAX * message.length)));
  } finally {
    // Its place goes to the next one.
    const next = waiting.shift();
    if (next) next();
    else underWay--;
  }
}

function unpacked(message: Buffer, encoding: keyof typeof KINDS, maxOutputLength: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    KINDS[encoding](message, { maxOutputLength }, (error: NodeJS.ErrnoException | null, bytes) => {
      if (!error) return resolve(bytes);
      reject(
        error.code === 'ERR_BUFFER_TOO_LARGE'
          ? new ChordError('RESOURCE_EXHAUSTED', `the message unpacks to more than ${maxOutputLength} bytes`)
          : new ChordError('INVALID_ARGUMENT', `the message is not ${encoding}`),
      );
    });
  });
}

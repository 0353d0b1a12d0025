/**
 * Decompresses requests. Decompression stops at the size limit, and only a few requests are decompressed at a time: a
 * request that waits holds no more memory than its compressed bytes.
 */
import { gunzip, inflate } from 'node:zlib';
import { ChordError } from '../../model/errors.js';

/** A higher compression ratio is taken for a decompression bomb: documents reach 5 to 50. */
const RATIO_MAX = 200;
/** Messages up to this many bytes decompressed are not checked for their ratio. */
const SMALL = 64 * 1024;
const AT_ONCE = 4;

const KINDS = { gzip: gunzip, deflate: inflate } as const;

let underWay = 0;
const waiting: (() => void)[] = [];

/** Whether messages in this encoding can be decompressed. */
export function unpacks(encoding: string): encoding is keyof typeof KINDS {
  return Object.hasOwn(KINDS, encoding);
}

/**
 * @param max bytes after decompression
 * Rejects with RESOURCE_EXHAUSTED for a message that is larger, with INVALID_ARGUMENT for one that cannot be
 * decompressed.
 */
export async function unpack(message: Buffer, encoding: keyof typeof KINDS, max: number): Promise<Buffer> {
  if (underWay === AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else underWay++;
  try {
    return await unpacked(message, encoding, Math.min(max, Math.max(SMALL, RATIO_MAX * message.length)));
  } finally {
    // The slot goes to the next waiting message.
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

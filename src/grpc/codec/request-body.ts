/**
 * Collects the one message of a request while its bytes arrive. The memory used is at most twice the bytes received,
 * whatever length the message announces; a message that announces more than the limit is refused at once.
 */
import { ChordError } from '../../model/errors.js';

/** The gRPC prefix of each message: a compressed flag (1 byte) and the length (4 bytes). */
const HEAD = 5;
/** Initial buffer of a message that arrives in pieces, in bytes; less for a message that needs less. */
const FIRST_BYTES = 32 * 1024;

export class Body {
  /** The first piece as received; from the second piece on, a buffer of this object. */
  #bytes: Buffer | undefined;
  #size = 0;
  #own = false;
  /** Bytes after the end of the first message were received. */
  surplus = false;

  /** @param max bytes of the message as sent, before decompression */
  constructor(private readonly max: number) {}

  /** @throws ChordError RESOURCE_EXHAUSTED for a message larger than the limit */
  add(piece: Buffer): void {
    if (this.#bytes === undefined) {
      this.#bytes = piece;
      this.#size = piece.length;
    } else this.#append(piece);
    if (this.#size < HEAD) return;
    const { length } = this;
    if (length > this.max) {
      throw new ChordError('RESOURCE_EXHAUSTED', `the message has ${length} bytes, at most ${this.max}`);
    }
    if (this.#size > HEAD + length) this.surplus = true;
  }

  get whole(): boolean {
    return this.#size >= HEAD && this.#size === HEAD + this.length;
  }

  get packed(): boolean {
    return this.#bytes![0] === 1;
  }

  /** The message; the body must be complete. */
  get message(): Buffer {
    return this.#bytes!.subarray(HEAD, this.#size);
  }

  /** Memory that the body holds, in bytes. */
  get held(): number {
    return this.#bytes?.length ?? 0;
  }

  /**
   * For a body that waits for more bytes: copies a small piece, so that it does not keep the larger network buffer
   * alive.
   */
  settle(): void {
    if (this.#own || !this.#bytes) return;
    this.#bytes = Buffer.from(this.#bytes);
    this.#own = true;
  }

  /** Length of the message; the prefix must be complete. */
  get length(): number {
    return this.#bytes!.readUInt32BE(1);
  }

  #append(piece: Buffer): void {
    const size = this.#size + piece.length;
    if (!this.#own || size > this.#bytes!.length) {
      const wanted = this.#size < HEAD ? size : HEAD + Math.min(this.length, this.max);
      const grown = Buffer.allocUnsafeSlow(Math.max(size, Math.min(wanted, Math.max(FIRST_BYTES, 2 * size))));
      this.#bytes!.copy(grown, 0, 0, this.#size);
      this.#bytes = grown;
      this.#own = true;
    }
    piece.copy(this.#bytes!, this.#size);
    this.#size = size;
  }
}

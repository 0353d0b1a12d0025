/**
 * The one message of a request, while its bytes come. It takes no more memory than twice what has come, whatever length
 * it announces; and one that announces too much is refused at once.
 */
import { ChordError } from '../../model/errors.js';

/** gRPC puts before each message: whether it is packed (1 byte), and its length (4). */
const HEAD = 5;
/** A message that comes in pieces starts with this much memory, or what it needs if that is less. */
const FIRST_BYTES = 32 * 1024;

export class Body {
  /** The first piece, as it came; from the second one on, memory of its own. */
  #bytes: Buffer | undefined;
  #size = 0;
  #own = false;
  /** More has come than one message. */
  surplus = false;

  /** @param max bytes of the message, as it comes */
  constructor(private readonly max: number) {}

  /** @throws ChordError RESOURCE_EXHAUSTED where the message is larger than it may be */
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

  /** Of a body that is whole. */
  get message(): Buffer {
    return this.#bytes!.subarray(HEAD, this.#size);
  }

  /** Memory that it takes, in bytes. */
  get held(): number {
    return this.#bytes?.length ?? 0;
  }

  /** It will stay for a while: a small piece must not keep the larger block alive in which it came. */
  settle(): void {
    if (this.#own || !this.#bytes) return;
    this.#bytes = Buffer.from(this.#bytes);
    this.#own = true;
  }

  /** Of the message; the head is there. */
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

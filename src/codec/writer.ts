/// <reference lib="es2024.string" />
import { invalid } from '../model/errors.js';

const INITIAL_SIZE = 64 * 1024;
/** A buffer that grew beyond this size for one large document is released after that document. */
const KEPT_SIZE = 1024 * 1024;
/** Up to this many characters, a loop is faster than a call into Buffer. */
const SHORT_STRING = 32;

/**
 * Writes protobuf from the back to the front. A length prefix stands before the bytes that it counts, and is known only
 * after they are written; so one pass is enough, without a pass for sizes and without moving bytes. Callers write the
 * fields in reverse order, and the tag of each field after its value.
 */
export class BackWriter {
  private bytes = Buffer.allocUnsafeSlow(INITIAL_SIZE);
  private view = new DataView(this.bytes.buffer);
  /** The position of the first written byte. */
  private start = INITIAL_SIZE;

  /** Bytes written so far: read `size` before the fields of a message, and pass that number to `length` after them. */
  get size(): number {
    return this.bytes.length - this.start;
  }

  reset(): void {
    if (this.bytes.length > KEPT_SIZE) this.allocate(INITIAL_SIZE);
    this.start = this.bytes.length;
  }

  /** The written bytes, valid until the next write. */
  peek(): Uint8Array {
    return this.bytes.subarray(this.start);
  }

  /** A copy of the written bytes. */
  take(): Uint8Array {
    return new Uint8Array(this.peek());
  }

  byte(value: number): void {
    if (this.start < 1) this.grow(1);
    this.bytes[--this.start] = value;
  }

  /** Writes an integer from 0 to 2^53 - 1. */
  varint(value: number): void {
    if (this.start < 8) this.grow(8);
    if (value < 0x80) {
      this.bytes[--this.start] = value;
      return;
    }
    let at = this.start - varintSize(value);
    this.start = at;
    for (; value > 0x7f; value = Math.floor(value / 0x80)) this.bytes[at++] = (value % 0x80) | 0x80;
    this.bytes[at] = value;
  }

  /** Writes the number of bytes written since `size` was `before`. */
  length(before: number): void {
    this.varint(this.bytes.length - this.start - before);
  }

  double(value: number): void {
    if (this.start < 8) this.grow(8);
    this.start -= 8;
    this.view.setFloat64(this.start, value, true);
  }

  /** Writes a text in UTF-8 with its length before it. INVALID_ARGUMENT for lone surrogates. */
  string(text: string): void {
    if (text.length > SHORT_STRING || !this.shortAscii(text)) this.anyString(text);
  }

  /** Answers false and writes nothing where a character is not ASCII. */
  private shortAscii(text: string): boolean {
    const length = text.length;
    if (this.start < SHORT_STRING + 1) this.grow(SHORT_STRING + 1);
    const at = this.start - length;
    for (let i = 0; i < length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return false;
      this.bytes[at + i] = code;
    }
    this.bytes[at - 1] = length;
    this.start = at - 1;
    return true;
  }

  raw(chunk: Uint8Array): void {
    if (this.start < chunk.length) this.grow(chunk.length);
    this.start -= chunk.length;
    this.bytes.set(chunk, this.start);
  }

  private anyString(text: string): void {
    if (!text.isWellFormed()) throw invalid('value', 'a string or a key contains a lone surrogate');
    const size = Buffer.byteLength(text);
    if (this.start < size) this.grow(size);
    this.start -= size;
    this.bytes.write(text, this.start, size);
    this.varint(size);
  }

  private grow(room: number): void {
    const written = this.peek();
    this.allocate(Math.max(2 * this.bytes.length, written.length + room));
    this.start = this.bytes.length - written.length;
    this.bytes.set(written, this.start);
  }

  private allocate(size: number): void {
    this.bytes = Buffer.allocUnsafeSlow(size);
    this.view = new DataView(this.bytes.buffer);
  }
}

function varintSize(value: number): number {
  let size = 1;
  for (let limit = 0x80; value >= limit; limit *= 0x80) size++;
  return size;
}

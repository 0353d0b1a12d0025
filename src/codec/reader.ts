import { isUtf8 } from 'node:buffer';
import { invalid } from '../errors.js';

/** V8 copies substrings shorter than this; longer ones would keep the whole text alive. */
const SHORT_STRING = 12;
const MAX_GROUPS = 32;

/** Reads protobuf within bounds. Whatever is malformed is INVALID_ARGUMENT. */
export class Reader {
  private readonly bytes: Buffer;
  private readonly view: DataView;
  private readonly first: number;
  /** The bytes from `first` on as characters, made for the first short string. */
  private text: string | undefined;

  /** Reads from `pos` up to `end` of `bytes`. */
  constructor(
    bytes: Uint8Array,
    public pos = 0,
    readonly end = bytes.length,
  ) {
    if (end > bytes.length) throw truncated();
    this.bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.first = pos;
  }

  /** An unsigned integer of 32 bits; higher bits are dropped, as protobuf demands. */
  varint(): number {
    const first = this.bytes[this.pos++];
    if (first === undefined) throw truncated();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let shift = 7; shift < 70; shift += 7) {
      const byte = this.bytes[this.pos++];
      if (byte === undefined) throw truncated();
      if (shift < 32) value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw invalid('value', 'malformed bytes: an integer of more than 10 bytes');
  }

  bool(): boolean {
    for (let i = 0, bits = 0; i < 10; i++) {
      const byte = this.bytes[this.pos++];
      if (byte === undefined) throw truncated();
      bits |= byte & 0x7f;
      if (byte < 0x80) return bits !== 0;
    }
    throw invalid('value', 'malformed bytes: an integer of more than 10 bytes');
  }

  /** A length: answers where that which it measures ends, which is at most at `end`. */
  length(end: number): number {
    const length = this.varint();
    if (length > end - this.pos) throw truncated();
    return this.pos + length;
  }

  double(): number {
    if (this.pos + 8 > this.end) throw truncated();
    const value = this.view.getFloat64(this.pos, true);
    this.pos += 8;
    return value;
  }

  /** A string within `end`. */
  string(end: number): string {
    const to = this.length(end);
    const start = this.pos;
    this.pos = to;
    if (to - start > SHORT_STRING) return this.anyString(start, to);
    for (let i = start; i < to; i++) {
      if (this.bytes[i]! > 0x7f) return this.anyString(start, to);
    }
    this.text ??= this.bytes.toString('latin1', this.first, this.end);
    return this.text.substring(start - this.first, to - this.first);
  }

  private anyString(start: number, to: number): string {
    const text = this.bytes.toString('utf8', start, to);
    if (text.includes('\ufffd') && !isUtf8(this.bytes.subarray(start, to))) {
      throw invalid('value', 'a string or key is not valid UTF-8');
    }
    return text;
  }

  /** Passes over the field of this tag. Fields up to number `known` only come here with a wrong type. */
  skip(tag: number, known: number): void {
    const field = tag >>> 3;
    if (field === 0) throw invalid('value', 'malformed bytes: a field with number 0');
    if (field <= known) throw invalid('value', `malformed bytes: field ${field} with wire type ${tag & 7}`);
    this.skipField(tag, 0);
    if (this.pos > this.end) throw truncated();
  }

  private skipField(tag: number, groups: number): void {
    switch (tag & 7) {
      case 0:
        this.bool();
        return;
      case 1:
        this.pos += 8;
        return;
      case 2:
        this.pos = this.length(this.end);
        return;
      case 3:
        if (groups === MAX_GROUPS) break;
        for (let inner = this.varint(); inner !== tag + 1; inner = this.varint()) this.skipField(inner, groups + 1);
        return;
      case 5:
        this.pos += 4;
        return;
    }
    throw invalid('value', `malformed bytes: wire type ${tag & 7}`);
  }
}

export function truncated() {
  return invalid('value', 'malformed bytes: a field ends beyond its message');
}

import { isUtf8 } from 'node:buffer';
import { type ChordError, invalid } from '../model/errors.js';

/** V8 copies substrings up to this length; longer ones would keep the whole text alive. */
const SHORT_STRING = 12;
/** Keys up to this many bytes are kept, in a table of this size where a newer one pushes an older one out. */
const KEPT_KEY_BYTES = 24;
const KEPT_KEYS = 1024;
const keptKeys: string[] = new Array(KEPT_KEYS).fill('');
const MAX_GROUPS = 32;

/**
 * Reads protobuf, in place. Whatever is malformed is INVALID_ARGUMENT. A field may run past the end of the
 * message that it is in, unless it is a string or a message itself: who reads a message checks in the end
 * that `pos` is where it should be, and throws `truncated` otherwise.
 */
export class Reader {
  private readonly bytes: Buffer;
  private readonly view: DataView;
  private readonly first: number;
  /** The bytes from `first` on as characters: one call into Buffer for all short strings. */
  private text: string | undefined;

  /** Reads from `pos` up to `end` of `bytes`. */
  constructor(
    bytes: Uint8Array,
    public pos = 0,
    readonly end = bytes.length,
  ) {
    if (end > bytes.length) throw truncated();
    this.bytes = asBuffer(bytes);
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.first = pos;
  }

  /** An unsigned integer that must fit into 32 bits: tags, lengths, counts. */
  varint(): number {
    const first = this.bytes[this.pos++];
    if (first === undefined) throw truncated();
    if (first < 0x80) return first;
    let value = first & 0x7f;
    for (let shift = 7; shift < 35; shift += 7) {
      const byte = this.bytes[this.pos++];
      if (byte === undefined) throw truncated();
      if (shift === 28 && byte > 0x0f) break;
      value |= (byte & 0x7f) << shift;
      if (byte < 0x80) return value >>> 0;
    }
    throw malformed('an integer of more than 32 bits');
  }

  /** Any integer: whether it is not 0. */
  bool(): boolean {
    let bits = 0;
    for (let i = 0; i < 10; i++) {
      const byte = this.bytes[this.pos++];
      if (byte === undefined) throw truncated();
      bits |= byte & 0x7f;
      if (byte < 0x80) return bits !== 0;
    }
    throw malformed('an integer of more than 10 bytes');
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

  /** A string within `end` that is likely to come again, as keys do: of those met lately, no new one is made. */
  key(end: number): string {
    const to = this.length(end);
    const start = this.pos;
    const length = to - start;
    if (length > KEPT_KEY_BYTES) return this.stringTo(to);
    let hash = length;
    for (let i = start; i < to; i++) hash = (Math.imul(hash, 31) + this.bytes[i]!) | 0;
    const slot = (hash ^ (hash >>> 10)) & (KEPT_KEYS - 1);
    const kept = keptKeys[slot]!;
    if (kept.length === length) {
      let i = 0;
      while (i < length && kept.charCodeAt(i) === this.bytes[start + i]) i++;
      if (i === length) {
        this.pos = to;
        return kept;
      }
    }
    const key = this.stringTo(to);
    // Shorter in characters: it is not ASCII, and characters are not bytes.
    if (key.length === length) keptKeys[slot] = key;
    return key;
  }

  /** A string within `end`. */
  string(end: number): string {
    return this.stringTo(this.length(end));
  }

  private stringTo(to: number): string {
    const start = this.pos;
    this.pos = to;
    if (to - start > SHORT_STRING) return utf8(this.bytes, start, to);
    for (let i = start; i < to; i++) {
      if (this.bytes[i]! > 0x7f) return utf8(this.bytes, start, to);
    }
    this.text ??= this.bytes.toString('latin1', this.first, this.end);
    return this.text.substring(start - this.first, to - this.first);
  }

  /** Passes over the field of this tag. Of fields up to number `known` only a wrong wire type comes here. */
  skip(tag: number, known: number): void {
    const field = tag >>> 3;
    if (field > 0 && field <= known) throw malformed(`field ${field} with wire type ${tag & 7}`);
    this.skipField(tag, 0);
  }

  private skipField(tag: number, groups: number): void {
    if (tag >>> 3 === 0) throw malformed('a field with number 0');
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
        if (groups === MAX_GROUPS) throw malformed(`groups nested over ${MAX_GROUPS} levels`);
        for (let inner = this.varint(); inner !== tag + 1; inner = this.varint()) this.skipField(inner, groups + 1);
        return;
      case 5:
        this.pos += 4;
        return;
    }
    throw malformed(`wire type ${tag & 7}`);
  }
}

/** Text from `start` to `end`, exactly: Buffer alone would put U+FFFD where bytes are invalid. */
export function utf8(bytes: Buffer, start = 0, end = bytes.length): string {
  const text = bytes.toString('utf8', start, end);
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end))) {
    throw invalid('value', 'a string is not valid UTF-8');
  }
  return text;
}

/** The same bytes. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function malformed(what: string): ChordError {
  return invalid('value', `malformed bytes: ${what}`);
}

export function truncated(): ChordError {
  return malformed('a field ends beyond its message');
}

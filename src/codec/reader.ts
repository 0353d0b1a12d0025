import { isUtf8 } from 'node:buffer';
import { type ChordError, invalid } from '../model/errors.js';

/** V8 copies substrings up to this length; a longer substring keeps the whole text alive. */
const SHORT_STRING = 12;
/** Keys up to this many bytes are cached in a table of this size, where a newer key replaces an older one. */
const KEPT_KEY_BYTES = 24;
const KEPT_KEYS = 1024;
const keptKeys: string[] = new Array(KEPT_KEYS).fill('');
const MAX_GROUPS = 32;

/**
 * Reads protobuf in place. INVALID_ARGUMENT for malformed bytes. A field may run past the end of its message, unless the
 * field is a string or a message: after the last field, the reader of a message checks that `pos` is at the end, and
 * throws `truncated` otherwise.
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

  /** An unsigned integer that must fit into 32 bits: a tag, a length or a count. */
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

  /** Any integer as a boolean: whether it is not 0. */
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

  /** Reads a length and answers the position where the measured bytes end, at most `end`. */
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

  /** A string within `end` that is likely to occur again, such as a key: a recently read string is reused. */
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
    // A string with fewer characters than bytes is not ASCII, so its bytes cannot be compared with characters.
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

  /** Skips the field of this tag. A field with a number up to `known` comes here only with a wrong wire type. */
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
        if (groups === MAX_GROUPS) throw malformed(`groups nested deeper than ${MAX_GROUPS} levels`);
        for (let inner = this.varint(); inner !== tag + 1; inner = this.varint()) this.skipField(inner, groups + 1);
        return;
      case 5:
        this.pos += 4;
        return;
    }
    throw malformed(`wire type ${tag & 7}`);
  }
}

/** Text from `start` to `end`, strictly decoded: Buffer alone would replace invalid bytes with U+FFFD. */
export function utf8(bytes: Buffer, start = 0, end = bytes.length): string {
  const text = bytes.toString('utf8', start, end);
  if (text.includes('\ufffd') && !isUtf8(bytes.subarray(start, end))) {
    throw invalid('value', 'a string is not valid UTF-8');
  }
  return text;
}

/** A view of the same bytes. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function malformed(what: string): ChordError {
  return invalid('value', `malformed bytes: ${what}`);
}

export function truncated(): ChordError {
  return malformed('a field ends beyond its message');
}

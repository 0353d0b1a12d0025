/** Protobuf messages as trees of fields, so that a mutation changes a field and not a byte of anything. */
import type { Random } from '../random.js';

export interface Field {
  number: number;
  /** 0: varint, 1: 64 bits, 2: bytes, 5: 32 bits. */
  wire: number;
  value: bigint | Buffer | Field[];
}

/** Null where the bytes are no message. */
export function parse(bytes: Buffer, depth = 0): Field[] | null {
  const fields: Field[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = varint(bytes, at);
    if (!tag) return null;
    at = tag.end;
    const [number, wire] = [Number(tag.value >> 3n), Number(tag.value & 7n)];
    if (number === 0 || number > 536_870_911) return null;
    if (wire === 0) {
      const value = varint(bytes, at);
      if (!value) return null;
      fields.push({ number, wire, value: value.value });
      at = value.end;
      continue;
    }
    const length = wire === 2 ? varint(bytes, at) : undefined;
    const size = wire === 1 ? 8 : wire === 5 ? 4 : length ? Number(length.value) : -1;
    const start = length?.end ?? at;
    if (size < 0 || start + size > bytes.length) return null;
    const value = bytes.subarray(start, start + size);
    // Text may look like a message; as a tree it is encoded again as it was.
    const inner = wire === 2 && size > 1 && depth < 12 ? parse(value, depth + 1) : null;
    fields.push({ number, wire, value: inner && inner.length > 0 ? inner : value });
    at = start + size;
  }
  return fields;
}

export function encode(fields: readonly Field[]): Buffer {
  return Buffer.concat(
    fields.flatMap(({ number, wire, value }) => {
      const tag = encodeVarint((BigInt(number) << 3n) | BigInt(wire));
      if (typeof value === 'bigint') return [tag, encodeVarint(value)];
      const bytes = Array.isArray(value) ? encode(value) : value;
      return wire === 2 ? [tag, encodeVarint(BigInt(bytes.length)), bytes] : [tag, bytes];
    }),
  );
}

const NUMBERS = [0n, 1n, 127n, 128n, 2n ** 31n, 2n ** 32n, 2n ** 53n, 2n ** 63n, 2n ** 64n - 1n];
const TEXTS = ['', '\0', '__proto__', 'constructor', 'a'.repeat(600), '\u{1f600}'.repeat(200), '../..', '*'];

/** Changes one to four things. The result may be no message any more. */
export function mutate(random: Random, bytes: Buffer): Buffer {
  let fields = parse(bytes);
  if (!fields || fields.length === 0) return random.bytes(random.below(40));
  for (let count = 1 + random.below(4); count > 0; count--) fields = changed(random, fields);
  const whole = encode(fields);
  if (random.chance(0.1)) return whole.subarray(0, random.below(whole.length + 1));
  if (random.chance(0.05)) return Buffer.concat([whole, random.bytes(1 + random.below(10))]);
  return whole;
}

function changed(random: Random, fields: readonly Field[]): Field[] {
  const result = [...fields];
  const index = random.below(result.length);
  const field = result[index];
  if (!field) return [{ number: 1, wire: 2, value: random.bytes(3) }];
  if (Array.isArray(field.value) && random.chance(0.7)) {
    result[index] = { ...field, value: changed(random, field.value) };
    return result;
  }
  switch (random.below(8)) {
    case 0:
      result.splice(index, 1);
      return result;
    case 1:
      return [...result, ...Array<Field>(random.chance(0.1) ? 2000 : 2).fill(field)];
    case 2:
      result[index] = { ...field, number: 1 + random.below(random.chance(0.5) ? 20 : 100_000) };
      return result;
    case 3:
      result[index] = { ...result[random.below(result.length)]!, number: field.number };
      return result;
    case 4: {
      // Within itself, again and again.
      let nested = field;
      for (let depth = random.chance(0.2) ? 200 : 3; depth > 0; depth--)
        nested = { ...field, wire: 2, value: [nested] };
      result[index] = nested;
      return result;
    }
    default:
      result[index] = { ...field, ...otherValue(random, field) };
      return result;
  }
}

function otherValue(random: Random, { wire }: Field): Pick<Field, 'wire' | 'value'> {
  if (random.chance(0.1))
    return random.pick([
      { wire: 0, value: 1n },
      { wire: 2, value: random.bytes(5) },
    ]);
  if (wire === 0) return { wire, value: random.pick(NUMBERS) };
  if (wire === 1) {
    const number = Buffer.alloc(8);
    number.writeDoubleLE(random.pick([0, -0, Number.NaN, Number.POSITIVE_INFINITY, 1e308, 5e-324, 2 ** 53]));
    return { wire, value: number };
  }
  if (wire === 5) return { wire, value: random.bytes(4) };
  const text = Buffer.from(random.pick(TEXTS));
  return { wire, value: random.chance(0.3) ? random.bytes(random.below(50)) : text };
}

function varint(bytes: Buffer, at: number): { value: bigint; end: number } | undefined {
  let value = 0n;
  for (let i = 0; i < 10 && at + i < bytes.length; i++) {
    value |= BigInt(bytes[at + i]! & 0x7f) << BigInt(7 * i);
    if (bytes[at + i]! < 0x80) return { value: BigInt.asUintN(64, value), end: at + i + 1 };
  }
  return undefined;
}

function encodeVarint(value: bigint): Buffer {
  const bytes: number[] = [];
  let left = BigInt.asUintN(64, value);
  while (left >= 0x80n) {
    bytes.push(Number(left & 0x7fn) | 0x80);
    left >>= 7n;
  }
  return Buffer.from([...bytes, Number(left)]);
}

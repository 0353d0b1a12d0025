/**
 * Strings under splices. A splice counts Unicode code points, so that it never splits one; JavaScript counts UTF-16 units,
 * of which a code point takes two where it is astral, that is, above U+FFFF. An append must not cost a pass over the
 * string: the sizes of long strings are kept with the object that the string is a member of.
 */
import type { JsonObject } from '../model/model.js';
import { DeltaMismatch, known } from './mismatch.js';
import type { Hunk, Run } from './piece-table.js';
import type { Change, Path, TextSpliced } from './types.js';

/** A well-formed string with its sizes. `text` may be a rope: reading a character of it costs a pass. */
export interface Measured {
  readonly text: string;
  readonly points: number;
  /** Of UTF-8. */
  readonly bytes: number;
}

export function measure(text: string): Measured {
  const bytes = Buffer.byteLength(text);
  return { text, points: bytes === text.length ? bytes : codePoints(text), bytes };
}

export function codePoints(text: string): number {
  let points = text.length;
  for (let i = 0; i < text.length; i++) if (isHigh(text.charCodeAt(i))) points--;
  return points;
}

/** Shorter strings are measured again each time. */
const KEPT_UNITS = 256;
/** By object, then by key. A kept size is valid for the very string that it was measured of. */
const kept = new WeakMap<JsonObject, Map<string, Measured>>();

/** As `measure`, for the string at a key of an object. */
export function measureMember(object: JsonObject, key: string, text: string): Measured {
  const before = text.length < KEPT_UNITS ? undefined : kept.get(object)?.get(key);
  return before?.text === text ? before : measure(text);
}

/** Keeps the sizes of a string that was stored at a key of an object. */
export function keepMeasured(object: JsonObject, key: string, measured: Measured): void {
  if (measured.text.length < KEPT_UNITS) return;
  const members = kept.get(object);
  if (members) members.set(key, measured);
  else kept.set(object, new Map([[key, measured]]));
}

/** Forgets what is kept of a string that is no longer at this key, since the string would stay in memory. */
export function forgetMeasured(object: JsonObject, key: string, text: unknown): void {
  if (typeof text === 'string' && text.length >= KEPT_UNITS) kept.get(object)?.delete(key);
}

/** A copy of an object has the same strings. */
export function inheritMeasured(copy: object, object: object): void {
  const members = kept.get(object as JsonObject);
  if (members) kept.set(copy as JsonObject, members);
}

/** Throws DeltaMismatch where the splice does not lie within so many code points. */
export function checkTextBounds({ path, index, removedCount }: TextSpliced, points: number): void {
  if (!(index >= 0 && removedCount >= 0 && index + removedCount <= points)) {
    throw new DeltaMismatch(path, `cannot remove ${removedCount} code points at ${index} of a string of ${points}`);
  }
}

/** The string after a splice, which must lie within the string. An append costs what is appended. */
export function spliceText(measured: Measured, index: number, removedCount: number, inserted: string): Measured {
  const { text, points, bytes } = measured;
  const added = measure(inserted);
  const removed = sliceText(measured, index, removedCount);
  const from = unitAt(text, points, index);
  const rest = from + removed.length;
  return {
    text: from === text.length ? text + inserted : text.slice(0, from) + inserted + text.slice(rest),
    points: points - removedCount + added.points,
    bytes: bytes - Buffer.byteLength(removed) + added.bytes,
  };
}

/** `count` code points from `index` on. */
export function sliceText({ text, points }: Measured, index: number, count: number): string {
  if (count === 0) return '';
  return text.slice(unitAt(text, points, index), unitAt(text, points, index + count));
}

/** The position in UTF-16 units of a position in code points, counted from the nearer end. */
function unitAt(text: string, points: number, at: number): number {
  if (at === points) return text.length;
  if (points === text.length) return at;
  let unit = 0;
  if (at <= points / 2) {
    for (let left = at; left > 0; left--) unit += isHigh(text.charCodeAt(unit)) ? 2 : 1;
    return unit;
  }
  unit = text.length;
  for (let left = points - at; left > 0; left--) unit -= isLow(text.charCodeAt(unit - 1)) ? 2 : 1;
  return unit;
}

/** A part of a string. As splits count from the nearer end, all splits of one run cost O(n log n) together. */
export class TextRun implements Run<TextRun> {
  constructor(
    private readonly text: string,
    readonly length = codePoints(text),
  ) {}

  split(at: number): [TextRun, TextRun] {
    const { text, length } = this;
    const unit = unitAt(text, length, at);
    return [new TextRun(text.slice(0, unit), at), new TextRun(text.slice(unit), length - at)];
  }

  /** The text of the runs, one after the other. */
  static join(runs: readonly TextRun[]): string {
    return runs.map(({ text }) => text).join('');
  }
}

/** A splice has up to ten bytes that a whole value has not: with this many units in common, the splice is smaller. */
const COMMON_UNITS_MIN = 16;

/** The change from one string to another one: a splice where it is smaller than the new string as a whole. */
export function diffText(path: Path, before: string, after: string): Change {
  const modified = { action: 'modified', path, value: after, old: before } as const;
  if (Math.min(before.length, after.length) < COMMON_UNITS_MIN) return modified;
  const [prefix, suffix] = common(before, after);
  if (prefix + suffix < COMMON_UNITS_MIN) return modified;
  return spliceWithin(path, 0, before, after, prefix, suffix, Buffer.byteLength(before));
}

/** The hunks as splices to apply in this order; each splice has minimal length. */
export function textSplicesOf(path: Path, hunks: readonly Hunk<TextRun>[], oldBytes: number | undefined): Change[] {
  const changes: Change[] = [];
  let bytes = oldBytes;
  for (const hunk of hunks) {
    const [removed, inserted] = [TextRun.join(hunk.removed), TextRun.join(hunk.inserted)];
    if (removed === inserted) continue;
    const change = spliceWithin(path.slice(), hunk.index, removed, inserted, ...common(removed, inserted), bytes);
    changes.push(change);
    if (bytes !== undefined) bytes = bytesAfter(bytes, change);
  }
  return changes;
}

/** The bytes of a string after a splice, which must carry what it removed: throws DeltaMismatch. */
export function bytesAfter(before: number, change: TextSpliced): number {
  return before - Buffer.byteLength(known(change.removed, change)) + Buffer.byteLength(change.inserted);
}

/** `before`, at `index` of a string, becomes `after`; they have so many units in common at their start and end. */
function spliceWithin(
  path: Path,
  index: number,
  before: string,
  after: string,
  prefix: number,
  suffix: number,
  oldBytes: number | undefined,
): TextSpliced {
  const removed = before.slice(prefix, before.length - suffix);
  const splice = {
    action: 'text_spliced',
    path,
    index: index + codePoints(before.slice(0, prefix)),
    removedCount: codePoints(removed),
    removed,
    inserted: after.slice(prefix, after.length - suffix),
  } as const;
  return oldBytes === undefined ? splice : { ...splice, oldBytes };
}

/** The units of the longest common prefix and, in the rest, of the longest common suffix; they end between code points. */
function common(before: string, after: string): [prefix: number, suffix: number] {
  const shorter = Math.min(before.length, after.length);
  let prefix = 0;
  while (prefix < shorter && before.charCodeAt(prefix) === after.charCodeAt(prefix)) prefix++;
  if (prefix > 0 && isHigh(before.charCodeAt(prefix - 1))) prefix--;

  let suffix = 0;
  while (
    suffix < shorter - prefix &&
    before.charCodeAt(before.length - 1 - suffix) === after.charCodeAt(after.length - 1 - suffix)
  )
    suffix++;
  if (suffix > 0 && isLow(before.charCodeAt(before.length - suffix))) suffix--;
  return [prefix, suffix];
}

/** The first unit of an astral code point. */
function isHigh(unit: number): boolean {
  return (unit & 0xfc00) === 0xd800;
}

function isLow(unit: number): boolean {
  return (unit & 0xfc00) === 0xdc00;
}

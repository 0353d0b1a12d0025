/** Splices of strings, in Unicode code points: JavaScript counts UTF-16 units, of which an astral code point has two. */

interface Measured {
  readonly text: string;
  readonly points: number;
}

/** Shorter strings are counted again each time. */
const KEPT_UNITS = 256;
/** The strings that were spliced last: a string that grows by many appends is not counted each time. */
const KEPT_MAX = 16;
const kept: Measured[] = [];
let next = 0;

/** The string after the splice, undefined where the splice does not lie within the string. */
export function spliceText(text: string, index: number, removedCount: number, inserted: string): string | undefined {
  const points = kept.find((each) => each.text === text)?.points ?? codePoints(text);
  if (index + removedCount > points) return undefined;
  const from = unitAt(text, points, index);
  const to = removedCount === 0 ? from : unitAt(text, points, index + removedCount);
  const after = from === text.length ? text + inserted : text.slice(0, from) + inserted + text.slice(to);
  if (after.length >= KEPT_UNITS) {
    const place = kept.findIndex((each) => each.text === text);
    kept[place === -1 ? next++ % KEPT_MAX : place] = {
      text: after,
      points: points - removedCount + codePoints(inserted),
    };
  }
  return after;
}

function codePoints(text: string): number {
  let points = text.length;
  for (let i = 0; i < text.length; i++) if (isHigh(text.charCodeAt(i))) points--;
  return points;
}

/** The position in units of a position in code points. */
function unitAt(text: string, points: number, at: number): number {
  if (at === points) return text.length;
  if (points === text.length) return at;
  let unit = 0;
  for (let left = at; left > 0; left--) unit += isHigh(text.charCodeAt(unit)) ? 2 : 1;
  return unit;
}

/** Bytes of the text in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0x80) bytes++;
    if (unit >= 0x800 && (unit & 0xf800) !== 0xd800) bytes++; // each half of an astral code point is two bytes
  }
  return bytes;
}

/** The first unit of an astral code point. */
function isHigh(unit: number): boolean {
  return (unit & 0xfc00) === 0xd800;
}

/** Text that comes from others, on its way to a terminal, a page, a log or a file. */

/**
 * Control characters (C0, DEL, C1), line and paragraph separators, marks that change the direction of text, and what is not seen
 * at all. Joiners, of which scripts and emoji need some, stay.
 */
const STEERING = /[\p{Cc}\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2064\u2066-\u2069\ufeff]/gu;

/** The text with each character that could steer a terminal, or make a text pass for another one, as \uXXXX. Of JSON on one line it makes the same JSON. */
export function escapeSteering(text: string): string {
  return text.replace(STEERING, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** Text that comes from others, on its way to a terminal, a log or a file. */

/** Control characters (C0, DEL, C1), line and paragraph separators, and marks that change the direction of text. */
const STEERING = /[\p{Cc}\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu;

/** The text with each character that could steer a terminal as \uXXXX. Of JSON on one line it makes the same JSON. */
export function escapeSteering(text: string): string {
  return text.replace(STEERING, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

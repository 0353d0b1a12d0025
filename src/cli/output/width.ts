/** How many columns of a terminal a text takes: none for combining marks, two for wide characters and emoji. */
import { eastAsianWidth } from 'get-east-asian-width';

/** These take a column each, and most texts have no others. */
const NARROW = /^[\x20-\x7e\u00a0-\u02ff]*$/;
const INVISIBLE = /^(?:\p{Control}|\p{Mark}|\p{Format}|\p{Default_Ignorable_Code_Point})+$/u;
const EMOJI = /^(?:\p{Emoji_Presentation}|.*\ufe0f)/su;

let graphemes: Intl.Segmenter | undefined;

export function widthOf(text: string): number {
  if (NARROW.test(text)) return text.length;
  let width = 0;
  for (const each of graphemesOf(text)) width += widthOfGrapheme(each);
  return width;
}

/** The text, or so much of it with an ellipsis as takes at most `columns` columns. */
export function cut(text: string, columns: number): string {
  if (text.length * 2 <= columns || widthOf(text) <= columns) return text;
  let room = columns - 1;
  let shown = '';
  for (const each of graphemesOf(text)) {
    room -= widthOfGrapheme(each);
    if (room < 0) break;
    shown += each;
  }
  return columns < 1 ? '' : `${shown}…`;
}

function* graphemesOf(text: string): Generator<string> {
  graphemes ??= new Intl.Segmenter();
  for (const { segment } of graphemes.segment(text)) yield segment;
}

function widthOfGrapheme(grapheme: string): number {
  if (INVISIBLE.test(grapheme)) return 0;
  return EMOJI.test(grapheme) ? 2 : eastAsianWidth(grapheme.codePointAt(0)!);
}

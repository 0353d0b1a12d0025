/** Styled text: in colour on a terminal, otherwise plain. */
import { styleText } from 'node:util';
import { cut, widthOf } from './width.js';

type Style = 'plain' | 'dim' | 'green' | 'yellow' | 'red' | 'cyan';

/** A line of parts, each with its style. */
export type StyledText = readonly (readonly [Style, string])[];

export interface Look {
  readonly colour: boolean;
  /** Columns to cut lines to; absent: lines are not cut. */
  readonly width?: number;
}

export function paint(line: StyledText, { colour, width = Number.POSITIVE_INFINITY }: Look): string {
  let room = width;
  let text = '';
  for (const [style, part] of line) {
    const shown = cut(part, room);
    text += colour && style !== 'plain' ? styleText(style, shown) : shown;
    if (shown !== part) break;
    room -= Number.isFinite(room) ? widthOf(part) : 0;
  }
  return text;
}

/** Rows under headings, with two spaces between columns. */
export function renderTable(headings: readonly string[], rows: readonly (readonly string[])[]): StyledText[] {
  const widths = headings.map((heading, i) => Math.max(heading.length, ...rows.map((row) => widthOf(row[i] ?? ''))));
  const align = (row: readonly string[]) =>
    row
      .map((cell, i) => cell + ' '.repeat(widths[i]! - widthOf(cell)))
      .join('  ')
      .trimEnd();
  return [[['dim', align(headings)]], ...rows.map((row): StyledText => [['plain', align(row)]])];
}

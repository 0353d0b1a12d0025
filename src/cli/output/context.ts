/** Formats a context with its document as lines. */
import type { Context } from '../../gen/chord/v1/model.js';
import { formatDocument, formatId, formatPosition, isoTime } from './format.js';
import type { StyledText } from './styled-text.js';

export function contextLine({ contextId, position, updatedAt }: Context): StyledText {
  return [
    ['cyan', formatId(contextId)],
    ['plain', ` ${formatPosition(position)}`],
    ['dim', ` updated ${isoTime(updatedAt)}`],
  ];
}

/** The document, indented. */
export function documentLines(context: Context | undefined): StyledText[] {
  return formatDocument(context?.value ?? {}).map((line) => [['plain', line]]);
}

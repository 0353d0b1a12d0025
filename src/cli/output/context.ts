/** Formats a context with its document as lines. */
import type { Context, MemberExpiry } from '../../gen/chord/v1/model.js';
import { formatDocument, formatId, formatPath, formatPosition, isoTime } from './format.js';
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

export function expiryLine({ path, expiresAt }: MemberExpiry): StyledText {
  return [
    ['plain', formatPath(path?.keys ?? [])],
    ['dim', ` expires ${isoTime(expiresAt)}`],
  ];
}

/**
 * Text of documents as it is shown. What moves the text beside it (bidirectional controls) or is not seen at all stands as an
 * escape: a value must not pass for another one before those who confirm a write. Joiners, of which scripts and emoji need
 * some, stay.
 */
const UNSEEN = /(?!\n)[\p{Cc}\p{Bidi_Control}\u00ad\u200b\u2028\u2029\u2060-\u2064\ufeff]/gu;

export function visible(text: string): string {
  return text.replace(UNSEEN, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

/** JSON that reads as the same value. */
export function asJson(value: unknown, indent?: number): string {
  return visible(JSON.stringify(value, null, indent));
}

/**
 * Names of request fields. The domain names what is wrong in its own words (`id`, `pageToken`, `writes[2].value`); on the wire
 * stand the names of the .proto (`context_id`, `page_token`, `writes[2].set.value`).
 */
import type { Write } from '../../gen/chord/v1/context_service.js';
import { ChordError } from '../../model/errors.js';

/** A path of fields as in the .proto. A path that is written so already stays as it is. */
export function protoField(field: string): string {
  return field.replace(/(^|\.)id$/, '$1context_id').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}

/** A message that begins with the field at fault, with that field as in the .proto. Any other one stays as it is. */
export function protoMessage({ message, details }: ChordError): string {
  const field = details.violations?.[0]?.field;
  return field !== undefined && message.startsWith(`${field}:`)
    ? protoField(field) + message.slice(field.length)
    : message;
}

/** What is thrown about a batch: the .proto puts the kind of a write between its place and its fields. */
export function ofBatch(error: unknown, writes: readonly Write[]): unknown {
  if (!(error instanceof ChordError)) return error;
  const withKind = (text: string) =>
    text.replace(/^writes\[(\d+)\]/, (place, index) => {
      const kind = writes[Number(index)]?.write?.$case;
      return kind ? `${place}.${kind}` : place;
    });
  const { violations, ...details } = error.details;
  const fields = violations?.map((each) => ({ ...each, field: withKind(each.field) }));
  return new ChordError(error.reason, withKind(error.message), { ...details, ...(fields && { violations: fields }) });
}

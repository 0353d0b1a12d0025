/** Text of documents as it is shown: a value must not pass for another one before those who confirm a write. */
import { escapeSteering } from '../../model/text.js';

export const visible = escapeSteering;

/** JSON that reads as the same value. */
export function asJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).split('\n').map(visible).join('\n');
}

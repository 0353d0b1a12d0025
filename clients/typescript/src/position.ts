/** Positions from their text form; `formatPosition` in model.ts is the other way. */
import { unsendable } from './errors.js';
import type { Position } from './model.js';

/** From `EPOCH:VERSION:DIGEST`, or a version alone, which is weaker. @throws ChordError INVALID_ARGUMENT */
export function parsePosition(text: string): Position {
  const [, epoch, version, digest] = /^(?:([^:\s]+):)?(\d{1,15})(?::([^:\s]+))?$/.exec(text) ?? [];
  if (version === undefined || (epoch === undefined) !== (digest === undefined)) {
    throw unsendable('position', `expected EPOCH:VERSION:DIGEST or a version, got ${JSON.stringify(text)}`);
  }
  return { epoch: epoch ?? '', version: Number(version), digest: digest ?? '' };
}

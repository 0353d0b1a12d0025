/** Idempotency: request ids with which a client can repeat a write safely. */
import { hash } from 'node:crypto';
import { invalid } from '../../model/errors.js';
import type { Position } from '../../model/model.js';
import type { Request } from '../../store/store.js';

/** The stored answer of a write. */
export interface RememberedAnswer {
  /** Absent only for a delete of a missing context. */
  readonly position?: Position | undefined;
  readonly changed: boolean;
}

/** A hash of the request. The order of members does not count: clients encode maps in any order. */
export function fingerprint(asked: unknown): string {
  return hash('sha256', JSON.stringify(asked, sortMembers), 'base64url').slice(0, 16);
}

/** `answer`: for a batch, the answers of all its writes. */
export function remember(
  id: string,
  print: string,
  answer: RememberedAnswer | readonly RememberedAnswer[],
  at: number,
): Request {
  return { id, fingerprint: print, result: Buffer.from(JSON.stringify(answer)), at };
}

/** The first answer. Throws INVALID_ARGUMENT where the request id belongs to a different request. */
export function recall<T = RememberedAnswer>(first: Request, print: string): T {
  if (first.fingerprint !== print) throw invalid('requestId', 'was used before, for another request');
  return JSON.parse(Buffer.from(first.result).toString()) as T;
}

function sortMembers(_key: string, value: unknown): unknown {
  // JSON has one zero, documents have two.
  if (Object.is(value, -0)) return '\0-0';
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}

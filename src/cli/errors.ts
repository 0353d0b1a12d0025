/** Errors of the command line: one line on stderr, or with --json one object. */
import { harmless } from './output/format.js';

/** Invalid arguments: exit code 2. */
export class Usage extends Error {
  override readonly name = 'Usage';
}

export interface Failure {
  /** A reason of model/errors.ts from a server; USAGE or FAILED for an error without an answer of a server. */
  readonly reason: string;
  readonly message: string;
  /** What the user can do. */
  readonly hint?: string;
  /** For ABORTED: the current position of the context as text; null where the context does not exist. */
  readonly current?: string | null;
  readonly violations?: readonly { field: string; description: string }[];
}

export function exitCode(failure: Failure): 1 | 2 {
  return failure.reason === 'USAGE' ? 2 : 1;
}

export function formatFailure({ reason, message, hint }: Failure): string {
  const title = reason === 'USAGE' || reason === 'FAILED' ? '' : `${reason}: `;
  return harmless(`chord: ${title}${message}${hint ? ` (${hint})` : ''}`);
}

/** Errors as the command line prints them: one line on stderr, or with --json one object. */
import { harmless } from './output/format.js';

/** Wrong arguments: exit code 2. */
export class Usage extends Error {
  override readonly name = 'Usage';
}

export interface Failure {
  /** A reason of model/errors.ts where a server answered; USAGE or FAILED where no server was reached. */
  readonly reason: string;
  readonly message: string;
  /** What to do about it. */
  readonly hint?: string;
  /** ABORTED: where the context stands, as text; null where it does not exist. */
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

/** What goes wrong, as the command line tells it: one line on stderr, or with --json one object. */
import type { ServiceError } from '@grpc/grpc-js';
import { harmless } from '../output/format.js';
import type { ConnectionOptions } from './connection.js';

/** Wrong arguments: exit code 2. */
export class Usage extends Error {
  override readonly name = 'Usage';
}

export interface Failure {
  /** One of errors.ts for answers of a server; USAGE or FAILED for what never reached one. */
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

/** @param called how, for the hint */
export async function toFailure(error: unknown, called: ConnectionOptions): Promise<Failure> {
  if (error instanceof Usage) return { reason: 'USAGE', message: error.message };
  if (isServiceError(error)) return (await import('./status.js')).fromStatus(error, called);
  return { reason: 'FAILED', message: error instanceof Error ? error.message : String(error) };
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'metadata' in error;
}

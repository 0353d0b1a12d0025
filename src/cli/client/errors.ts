/** Converts the errors of commands to Failures. The code for gRPC errors is loaded only when one occurs. */
import type { ServiceError } from '@grpc/grpc-js';
import { type Failure, Usage } from '../errors.js';
import type { ConnectionOptions } from './connection.js';

/** @param called the connection options, for the hint */
export async function toFailure(error: unknown, called: ConnectionOptions): Promise<Failure> {
  if (error instanceof Usage) return { reason: 'USAGE', message: error.message };
  if (isServiceError(error)) return (await import('./status.js')).fromStatus(error, called);
  return { reason: 'FAILED', message: error instanceof Error ? error.message : String(error) };
}

export function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && typeof error.code === 'number' && 'metadata' in error;
}

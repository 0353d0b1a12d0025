/**
 * The closed list of what can go wrong. Each reason has one gRPC status (see grpc/status.ts); whatever
 * is thrown and is not a ChordError is a defect: clients see INTERNAL with an id that the log also has.
 */
import type { Position } from './model.js';

export type Reason =
  | 'NOT_FOUND' // the context does not exist
  | 'ALREADY_EXISTS' // it exists and must not
  | 'ABORTED' // it does not stand where the write expected it
  | 'INVALID_ARGUMENT' // the request can never succeed
  | 'UNAUTHENTICATED' // the caller did not show who it is, or not in a way that is accepted
  | 'PERMISSION_DENIED' // the caller may not do this, whether or not the context exists
  | 'RESOURCE_EXHAUSTED' // over a size or a quota
  | 'FAILED_PRECONDITION' // not in this configuration or state
  | 'UNAVAILABLE' // the store is away or the server shuts down: try again
  | 'DEADLINE_EXCEEDED'
  | 'DATA_LOSS'; // stored bytes are not what was written

/** One bad field of a request: its path (`writes[2].value`), and what is wrong. grpc/status.ts names it as the .proto does. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

export interface ErrorDetails {
  readonly contextId?: string;
  /** ABORTED: where the context stands; null where it does not exist. */
  readonly current?: Position | null;
  readonly violations?: readonly FieldViolation[];
  /** When a retry makes sense, in milliseconds. */
  readonly retryAfter?: number;
  /** RESOURCE_EXHAUSTED: the limit that is reached, and whose it is. */
  readonly quota?: { readonly name: string; readonly limit: number; readonly whose: 'identity' | 'connection' };
  readonly cause?: unknown;
}

export class ChordError extends Error {
  constructor(
    readonly reason: Reason,
    message: string,
    readonly details: ErrorDetails = {},
  ) {
    super(message, { cause: details.cause });
    this.name = 'ChordError';
  }
}

export function notFound(contextId: string): ChordError {
  return new ChordError('NOT_FOUND', `there is no context ${JSON.stringify(contextId)}`, { contextId });
}

/** INVALID_ARGUMENT at one field. */
export function invalid(field: string, description: string): ChordError {
  return new ChordError('INVALID_ARGUMENT', `${field}: ${description}`, { violations: [{ field, description }] });
}

/** Whether something that is asked gave no answer: the same call may succeed later. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof ChordError && (error.reason === 'UNAVAILABLE' || error.reason === 'DEADLINE_EXCEEDED');
}

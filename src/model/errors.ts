/**
 * The closed list of errors that Chord answers with. Each reason has one gRPC status (see grpc/status.ts). A thrown
 * value that is not a ChordError is a defect: clients see INTERNAL with an id that the log also has.
 */
import type { Unmet } from './conditions.js';
import type { Position } from './model.js';

export type Reason =
  | 'NOT_FOUND' // the context does not exist
  | 'ALREADY_EXISTS' // the context exists, and the request needs one that does not
  | 'ABORTED' // the context is not as the write expects
  | 'INVALID_ARGUMENT' // the request can never succeed
  | 'UNAUTHENTICATED' // the credentials are missing or not accepted
  | 'PERMISSION_DENIED' // the caller may not do this, whether or not the context exists
  | 'RESOURCE_EXHAUSTED' // a size or a quota is exceeded
  | 'FAILED_PRECONDITION' // the configuration or the state does not allow the request
  | 'UNAVAILABLE' // the store is unreachable or the server shuts down: a retry may succeed
  | 'DEADLINE_EXCEEDED'
  | 'DATA_LOSS'; // the stored bytes differ from the bytes that were written

/** One invalid field of a request: its path as in the .proto, and what is wrong with the field. */
export interface FieldViolation {
  readonly field: string;
  readonly description: string;
}

export interface ErrorDetails {
  readonly contextId?: string;
  /** ABORTED: the current position of the context; null where the context does not exist. */
  readonly current?: Position | null;
  /** ABORTED: the conditions of the write that do not hold. */
  readonly unmet?: Unmet;
  readonly violations?: readonly FieldViolation[];
  /** How long to wait before a retry, in milliseconds. */
  readonly retryAfter?: number;
  /** RESOURCE_EXHAUSTED: the quota that is exceeded, and whether the quota is of the identity or of the connection. */
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

/** INVALID_ARGUMENT for one field. */
export function invalid(field: string, description: string): ChordError {
  return new ChordError('INVALID_ARGUMENT', `${field}: ${description}`, { violations: [{ field, description }] });
}

/** Whether something that is asked gave no answer: the same call may succeed later. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof ChordError && (error.reason === 'UNAVAILABLE' || error.reason === 'DEADLINE_EXCEEDED');
}

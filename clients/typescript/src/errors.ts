/** What can go wrong, decoded from gRPC's status and its details. */
import { status, statusName } from './codes.js';
import { fromUnmet, type UnmetConditions } from './conditions.js';
import { PositionMismatch, UnmetConditions as ProtoUnmet } from './gen/chord/v1/errors.js';
import { BadRequest, ErrorInfo, RetryInfo } from './gen/google/rpc/error_details.js';
import { Status } from './gen/google/rpc/status.js';
import { fromDuration, fromPosition, type Position } from './model.js';

/** One bad field of a request. */
export interface FieldViolation {
  /** Path of the field, as in the .proto. */
  readonly field: string;
  readonly description: string;
}

/** What an error may tell beside its reason. */
export interface ErrorDetails {
  readonly contextId?: string | undefined;
  /** Where the context stands that a write expected elsewhere; null: it does not exist; undefined: not told. */
  readonly current?: Position | null | undefined;
  readonly unmet?: UnmetConditions | undefined;
  readonly violations?: readonly FieldViolation[] | undefined;
  /** The server asks to wait this long before another try, in milliseconds. */
  readonly retryAfter?: number | undefined;
}

/** Why the server refuses. An error that comes without a reason of the server has the name of its gRPC code. */
export type Reason =
  | 'NOT_FOUND' // the context does not exist
  | 'ALREADY_EXISTS' // the context exists, and the request needs one that does not
  | 'ABORTED' // the context is not as the write expects
  | 'INVALID_ARGUMENT' // the request can never succeed
  | 'UNAUTHENTICATED' // the token is missing or not accepted
  | 'PERMISSION_DENIED' // the caller may not do this
  | 'RESOURCE_EXHAUSTED' // a size or a quota is exceeded
  | 'FAILED_PRECONDITION' // the configuration or the state does not allow the request
  | 'UNAVAILABLE' // the server is away, or cannot serve now
  | 'DEADLINE_EXCEEDED' // the time of the call is over
  | 'DATA_LOSS' // the stored bytes differ from those that were written
  | 'CANCELLED' // by a signal, or the client is closed
  | 'UNIMPLEMENTED' // the server is older than the call
  | 'INTERNAL'
  | 'UNKNOWN';

/** The one error of all calls. */
export class ChordError extends Error {
  readonly contextId: string | undefined;
  readonly current: Position | null | undefined;
  /** The conditions of a write (`unchanged`, `checks`) that do not hold; undefined: it was not refused for them. */
  readonly unmet: UnmetConditions | undefined;
  readonly violations: readonly FieldViolation[];
  readonly retryAfter: number | undefined;

  constructor(
    /** One of a later server may be another text. */
    readonly reason: Reason | (string & {}),
    message: string,
    /** gRPC's. */
    readonly code: number,
    details: ErrorDetails = {},
    /** Another try may succeed, and the caller need not know. */
    readonly transient = false,
    /** The network's failure without a doubt: no count of tries makes it final. */
    readonly certain = false,
  ) {
    super(message);
    this.name = 'ChordError';
    this.contextId = details.contextId;
    this.current = details.current;
    this.unmet = details.unmet;
    this.violations = details.violations ?? [];
    this.retryAfter = details.retryAfter;
  }
}

/** Transports report broken connections as these, too. From the server they are final. */
const PERHAPS_TRANSIENT: readonly number[] = [status.INTERNAL, status.UNKNOWN, status.CANCELLED];

/** What transports say of a connection that was ended for what other streams did. */
const ENDED_BY_TRANSPORT = /RST_STREAM|GOAWAY|ENHANCE_YOUR_CALM|Bandwidth exhausted/i;

/** A message of any type, as google.protobuf.Any has it. */
export interface ErrorDetail {
  /** Ends in the name of the type, perhaps behind a slash. */
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

export function decodeError(code: number, message: string, details: readonly ErrorDetail[]): ChordError {
  const found = decodeDetails(details);
  const byTransport =
    found.reason === undefined &&
    (code === status.INTERNAL || code === status.RESOURCE_EXHAUSTED) &&
    ENDED_BY_TRANSPORT.test(message);
  const certain =
    code === status.UNAVAILABLE ||
    (code === status.RESOURCE_EXHAUSTED && found.retryAfter !== undefined) ||
    byTransport;
  const transient = certain || (PERHAPS_TRANSIENT.includes(code) && found.reason === undefined);
  return new ChordError(found.reason ?? statusName(code) ?? 'UNKNOWN', message, code, found, transient, certain);
}

export function unavailable(message: string): ChordError {
  return new ChordError('UNAVAILABLE', message, status.UNAVAILABLE, {}, true, true);
}

/** What was asked of a client, or a replica, after its end. */
export function closed(what: 'client' | 'replica' | 'presence'): ChordError {
  return new ChordError('CANCELLED', `the ${what} is closed`, status.CANCELLED);
}

/** By the caller's signal. Transient as what a transport says of it: one that ended a stream alone does not end its watch. */
export function cancelled(): ChordError {
  return decodeError(status.CANCELLED, 'cancelled by its signal', []);
}

/** A value that cannot be sent. */
export function unsendable(field: string, error: unknown): ChordError {
  const description = error instanceof Error ? error.message : String(error);
  const violations = [{ field, description }];
  return new ChordError('INVALID_ARGUMENT', `${field}: ${description}`, status.INVALID_ARGUMENT, { violations });
}

type Found = { -readonly [K in keyof ErrorDetails]: ErrorDetails[K] } & { reason?: string };

/** @param trailer `grpc-status-details-bin` */
export function detailsOf(trailer: Uint8Array): readonly ErrorDetail[] {
  try {
    return Status.decode(trailer).details;
  } catch {
    return []; // as details that cannot be decoded
  }
}

/** Details that cannot be decoded count as absent: the code and the message still tell enough. */
function decodeDetails(details: readonly ErrorDetail[]): Found {
  const found: Found = {};
  try {
    for (const { typeUrl, value } of details) read(typeUrl, value, found);
    return found;
  } catch {
    return {};
  }
}

function read(typeUrl: string, bytes: Uint8Array, found: Found): void {
  switch (typeUrl.slice(typeUrl.lastIndexOf('/') + 1)) {
    case 'google.rpc.ErrorInfo': {
      const { domain, reason, metadata } = ErrorInfo.decode(bytes);
      if (domain !== 'chord') return;
      found.reason = reason;
      found.contextId = metadata.get('context_id') ?? found.contextId;
      return;
    }
    case 'google.rpc.BadRequest':
      found.violations = BadRequest.decode(bytes).fieldViolations.map(({ field, description }) => ({
        field,
        description,
      }));
      return;
    case 'google.rpc.RetryInfo':
      found.retryAfter = fromDuration(RetryInfo.decode(bytes).retryDelay);
      return;
    case 'chord.v1.PositionMismatch': {
      const { contextId, current } = PositionMismatch.decode(bytes);
      found.current = current ? fromPosition(current) : null;
      found.contextId ??= contextId;
      return;
    }
    case 'chord.v1.UnmetConditions': {
      const unmet = ProtoUnmet.decode(bytes);
      found.current = unmet.current ? fromPosition(unmet.current) : null;
      found.unmet = fromUnmet(unmet);
      found.contextId ??= unmet.contextId;
    }
  }
}

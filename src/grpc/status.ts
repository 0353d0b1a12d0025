/// <reference lib="es2024.string" />
/** The one table from Chord's errors to gRPC's, with rich details (google.rpc.Status) in the trailers. */
import { randomUUID } from 'node:crypto';
import { Metadata, type StatusObject, status } from '@grpc/grpc-js';
import { PositionMismatch, UnmetConditions } from '../gen/chord/v1/errors.js';
import { BadRequest, ErrorInfo, RetryInfo } from '../gen/google/rpc/error_details.js';
import { Status } from '../gen/google/rpc/status.js';
import { ChordError, type Reason } from '../model/errors.js';
import { toUnmet } from './codec/condition-messages.js';
import { protoField, protoMessage } from './codec/field-names.js';
import { toDuration } from './codec/times.js';

const CODES: Readonly<Record<Reason, status>> = {
  NOT_FOUND: status.NOT_FOUND,
  ALREADY_EXISTS: status.ALREADY_EXISTS,
  ABORTED: status.ABORTED,
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  UNAUTHENTICATED: status.UNAUTHENTICATED,
  PERMISSION_DENIED: status.PERMISSION_DENIED,
  RESOURCE_EXHAUSTED: status.RESOURCE_EXHAUSTED,
  FAILED_PRECONDITION: status.FAILED_PRECONDITION,
  UNAVAILABLE: status.UNAVAILABLE,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  DATA_LOSS: status.DATA_LOSS,
};

/** The `domain` of ErrorInfo. */
export const ERROR_DOMAIN = 'chord';

/** Trailers are limited to some KiB in all: a message may quote what a client sent, but not all of it. */
const MESSAGE_CHARACTERS_MAX = 500;

/** What a client sees of an error. `onDefect` receives those that are no ChordError, with the id that the client gets. */
export function toStatus(error: unknown, onDefect: (error: unknown, id: string) => void): StatusObject {
  if (error instanceof ChordError) return richStatus(error);
  const id = randomUUID();
  onDefect(error, id);
  // Marked as Chord's own word: without details a client would take it for a broken connection, and try again.
  const info = { reason: 'INTERNAL', domain: ERROR_DOMAIN, metadata: new Map([['error_id', id]]) };
  return statusOf(status.INTERNAL, `internal error ${id}`, [any('google.rpc.ErrorInfo', ErrorInfo.encode(info))]);
}

function richStatus(error: ChordError): StatusObject {
  const code = CODES[error.reason];
  const { contextId, current, unmet, violations, retryAfter, quota } = error.details;
  const message = cut(protoMessage(error));
  const metadata = new Map<string, string>();
  if (contextId !== undefined) metadata.set('context_id', contextId);
  if (quota) metadata.set('quota', quota.name).set('quota_limit', `${quota.limit}`).set('quota_of', quota.whose);
  const details = [
    any('google.rpc.ErrorInfo', ErrorInfo.encode({ reason: error.reason, domain: ERROR_DOMAIN, metadata })),
  ];
  if (violations) {
    const fieldViolations = violations.map(({ field, description }) => ({
      field: protoField(field),
      description: cut(description),
      reason: '',
      localizedMessage: undefined,
    }));
    details.push(any('google.rpc.BadRequest', BadRequest.encode({ fieldViolations })));
  }
  if (current !== undefined) {
    const mismatch = { contextId: contextId ?? '', current: current ?? undefined };
    details.push(any('chord.v1.PositionMismatch', PositionMismatch.encode(mismatch)));
  }
  if (unmet) details.push(any('chord.v1.UnmetConditions', UnmetConditions.encode(toUnmet(contextId ?? '', unmet))));
  if (retryAfter !== undefined) {
    details.push(any('google.rpc.RetryInfo', RetryInfo.encode({ retryDelay: toDuration(retryAfter) })));
  }
  return statusOf(code, message, details);
}

function statusOf(code: status, message: string, details: Status['details']): StatusObject {
  const metadata = new Metadata();
  metadata.set('grpc-status-details-bin', Buffer.from(Status.encode({ code, message, details }).finish()));
  return { code, details: message, metadata };
}

function any(type: string, message: { finish(): Uint8Array }): { typeUrl: string; value: Buffer } {
  return { typeUrl: `type.googleapis.com/${type}`, value: Buffer.from(message.finish()) };
}

/** Well-formed: gRPC throws on half of a surrogate pair, whether a client sent it or the cut made it. */
function cut(text: string): string {
  const short = text.length > MESSAGE_CHARACTERS_MAX ? `${text.slice(0, MESSAGE_CHARACTERS_MAX)}…` : text;
  return short.toWellFormed();
}

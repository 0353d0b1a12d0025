/**
 * Converts the errors of a server to Failures: google.rpc.Status with its details, from the trailer
 * `grpc-status-details-bin`.
 */
import { type ServiceError, status } from '@grpc/grpc-js';
import { PositionMismatch, UnmetConditions } from '../../gen/chord/v1/errors.js';
import type { Any } from '../../gen/google/protobuf/any.js';
import { BadRequest, ErrorInfo } from '../../gen/google/rpc/error_details.js';
import { Status } from '../../gen/google/rpc/status.js';
import type { Failure } from '../errors.js';
import { formatPosition } from '../output/format.js';
import { unreachableHint } from './channel.js';
import type { ConnectionOptions } from './connection.js';

export function fromStatus(error: ServiceError, called: ConnectionOptions): Failure {
  const details = decodeDetails(error);
  const info = find(details, 'google.rpc.ErrorInfo', ErrorInfo);
  const mismatch =
    find(details, 'chord.v1.PositionMismatch', PositionMismatch) ??
    find(details, 'chord.v1.UnmetConditions', UnmetConditions);
  const violations = find(details, 'google.rpc.BadRequest', BadRequest)?.fieldViolations;
  const reason = info?.reason || status[error.code] || 'UNKNOWN';
  const current = mismatch && (mismatch.current ? formatPosition(mismatch.current) : null);
  const hint =
    info && error.code === status.UNAVAILABLE
      ? `${called.address} answered so; try again`
      : hintFor(error, called, current);
  return {
    reason,
    message: messageOf(error),
    ...(hint && { hint }),
    ...(current !== undefined && { current }),
    ...(violations?.length && { violations: violations.map(({ field, description }) => ({ field, description })) }),
  };
}

function hintFor(error: ServiceError, called: ConnectionOptions, current: string | null | undefined) {
  const { code } = error;
  const { address } = called;
  if (current !== undefined) return current ? `it stands at ${current}` : 'it does not exist';
  if (code === status.UNAVAILABLE) return unreachableHint(messageOf(error), called);
  if (code === status.DEADLINE_EXCEEDED) return `called ${address}; wait longer with --timeout`;
  if (code === status.INTERNAL) return "the server's log has more under this id";
  if (code === status.UNAUTHENTICATED) return 'show a token with --token-file FILE, CHORD_TOKEN_FILE or CHORD_TOKEN';
  if (code === status.PERMISSION_DENIED) return "rights are given in the server's --auth-rules file";
  if (code === status.UNIMPLEMENTED) return `called ${address}; is it a Chord server of this version?`;
  return undefined;
}

/**
 * The server's message; without an answer of a server, the network's message without the text that grpc-js puts around
 * it.
 */
function messageOf(error: ServiceError): string {
  const message = error.details || error.message;
  const said = /Last error: (?:Error(?: \[\w+\])?: )?(.+?)\. Resolution note:/s.exec(message)?.[1] ?? message;
  // OpenSSL puts a thread, a function and a source line around its message; grpc-js adds the time.
  return /SSL routines:[^:]*:([^:]+):/.exec(said)?.[1] ?? said.replace(/ \([\dTZ:.-]+\)$/, '');
}

function decodeDetails(error: ServiceError): readonly Any[] {
  const bytes = error.metadata?.get('grpc-status-details-bin')[0];
  if (!(bytes instanceof Uint8Array)) return [];
  return attempt(() => Status.decode(bytes))?.details ?? [];
}

/** Undefined for a trailer that a proxy has damaged: the status itself is still reported. */
function attempt<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch {
    return undefined;
  }
}

function find<T>(details: readonly Any[], type: string, codec: { decode(bytes: Uint8Array): T }): T | undefined {
  const detail = details.find(({ typeUrl }) => typeUrl.endsWith(`/${type}`));
  return detail && attempt(() => codec.decode(detail.value));
}

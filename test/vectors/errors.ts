/** Statuses as they come over the wire, and the errors that clients make of them. */
import { PositionMismatch } from '../../src/gen/chord/v1/errors.js';
import { BadRequest, ErrorInfo, RetryInfo } from '../../src/gen/google/rpc/error_details.js';
import { Status } from '../../src/gen/google/rpc/status.js';
import type { Position } from '../../src/model/model.js';

export interface ErrorVector {
  readonly name: string;
  readonly code: number;
  readonly message: string;
  /** The trailer grpc-status-details-bin, base64. */
  readonly details?: string;
  readonly error: {
    readonly reason: string;
    readonly message: string;
    readonly contextId?: string;
    /** null: the context does not exist. Absent: the error does not say. */
    readonly current?: Position | null;
    readonly violations: readonly { readonly field: string; readonly description: string }[];
    /** Milliseconds. */
    readonly retryAfter?: number;
  };
  /** Whether a watch goes on. */
  readonly transient: boolean;
}

type Detail = { readonly typeUrl: string; readonly value: Buffer };

const position = { epoch: 'Xk29fQ1z', version: 4_294_967_296, digest: '0aY7rB2c' };

const any = (type: string, message: { finish(): Uint8Array }): Detail => ({
  typeUrl: `type.googleapis.com/${type}`,
  value: Buffer.from(message.finish()),
});

const info = (reason: string, contextId?: string, domain = 'chord') => {
  const metadata = new Map(contextId === undefined ? [] : [['context_id', contextId]]);
  return any('google.rpc.ErrorInfo', ErrorInfo.encode({ reason, domain, metadata }));
};

const mismatch = (contextId: string, current: Position | undefined) =>
  any('chord.v1.PositionMismatch', PositionMismatch.encode({ contextId, current }));

const badRequest = (...violations: [string, string][]) => {
  const fieldViolations = violations.map(([field, description]) => ({
    field,
    description,
    reason: '',
    localizedMessage: undefined,
  }));
  return any('google.rpc.BadRequest', BadRequest.encode({ fieldViolations }));
};

const retryAfter = (seconds: number, nanos: number) =>
  any('google.rpc.RetryInfo', RetryInfo.encode({ retryDelay: { seconds, nanos } }));

function trailer(code: number, message: string, details: Detail[]): string {
  return Buffer.from(Status.encode({ code, message, details }).finish()).toString('base64');
}

/** Name, code, details, what the error says beside its message and empty violations, transient. */
const cases: [string, number, Detail[] | string | null, Partial<ErrorVector['error']> & { reason: string }, boolean][] =
  [
    ['not found', 5, [info('NOT_FOUND', 'room:1')], { reason: 'NOT_FOUND', contextId: 'room:1' }, false],
    [
      'stands elsewhere',
      10,
      [info('ABORTED', 'a'), mismatch('a', position)],
      { reason: 'ABORTED', contextId: 'a', current: position },
      false,
    ],
    [
      'does not exist',
      10,
      [info('ABORTED', 'a'), mismatch('a', undefined)],
      { reason: 'ABORTED', contextId: 'a', current: null },
      false,
    ],
    [
      'the id is in the mismatch alone',
      10,
      [mismatch('a', undefined), info('ABORTED')],
      { reason: 'ABORTED', contextId: 'a', current: null },
      false,
    ],
    [
      'violations',
      3,
      [info('INVALID_ARGUMENT'), badRequest(['mutations[3].path', 'must name at least one key'], ['ttl', '“bad”'])],
      {
        reason: 'INVALID_ARGUMENT',
        violations: [
          { field: 'mutations[3].path', description: 'must name at least one key' },
          { field: 'ttl', description: '“bad”' },
        ],
      },
      false,
    ],
    ['too large', 8, [info('RESOURCE_EXHAUSTED')], { reason: 'RESOURCE_EXHAUSTED' }, false],
    [
      'too much for now',
      8,
      [info('RESOURCE_EXHAUSTED'), retryAfter(0, 201_000_000)],
      { reason: 'RESOURCE_EXHAUSTED', retryAfter: 201 },
      true,
    ],
    [
      'too much for now, said in the other order',
      8,
      [retryAfter(1, 0), info('RESOURCE_EXHAUSTED')],
      { reason: 'RESOURCE_EXHAUSTED', retryAfter: 1000 },
      true,
    ],
    [
      'come back later',
      14,
      [info('UNAVAILABLE'), retryAfter(1, 500_000_000)],
      { reason: 'UNAVAILABLE', retryAfter: 1500 },
      true,
    ],
    ['connection refused', 14, null, { reason: 'UNAVAILABLE' }, true],
    ['deadline of the client', 4, null, { reason: 'DEADLINE_EXCEEDED' }, false],
    ['broken stream: internal', 13, null, { reason: 'INTERNAL' }, true],
    ['broken stream: unknown', 2, null, { reason: 'UNKNOWN' }, true],
    ['broken stream: cancelled', 1, null, { reason: 'CANCELLED' }, true],
    ['the server says internal', 13, [info('INTERNAL')], { reason: 'INTERNAL' }, false],
    ['unimplemented', 12, null, { reason: 'UNIMPLEMENTED' }, false],
    ['unauthenticated', 16, null, { reason: 'UNAUTHENTICATED' }, false],
    ['the server asks who calls', 16, [info('UNAUTHENTICATED')], { reason: 'UNAUTHENTICATED' }, false],
    [
      'not allowed',
      7,
      [info('PERMISSION_DENIED', 'team/ab')],
      { reason: 'PERMISSION_DENIED', contextId: 'team/ab' },
      false,
    ],
    ['data loss', 15, [info('DATA_LOSS', 'a')], { reason: 'DATA_LOSS', contextId: 'a' }, false],
    [
      'the reason of another domain',
      7,
      [info('SERVICE_DISABLED', 'a', 'example.com')],
      { reason: 'PERMISSION_DENIED' },
      false,
    ],
    [
      'details of unknown types',
      5,
      [
        any('example.com.Other', ErrorInfo.encode({ reason: 'X', domain: 'chord', metadata: new Map() })),
        info('NOT_FOUND'),
      ],
      { reason: 'NOT_FOUND' },
      false,
    ],
    ['no details in the trailer', 5, [], { reason: 'NOT_FOUND' }, false],
    [
      'details that are no message',
      5,
      Buffer.from([0xff, 0xff, 0xff]).toString('base64'),
      { reason: 'NOT_FOUND' },
      false,
    ],
  ];

export function errorVectors(): ErrorVector[] {
  return cases.map(([name, code, details, error, transient]) => {
    const bytes = Array.isArray(details) ? trailer(code, name, details) : details;
    return {
      name,
      code,
      message: name,
      ...(bytes !== null && { details: bytes }),
      error: { message: name, violations: [], ...error },
      transient,
    };
  });
}

/** Statuses as they come over the wire, and the errors that clients make of them. */
import { PositionMismatch, UnmetConditions } from '../../src/gen/chord/v1/errors.js';
import { type Check, FullReason } from '../../src/gen/chord/v1/model.js';
import { BadRequest, ErrorInfo, RetryInfo } from '../../src/gen/google/rpc/error_details.js';
import { Status } from '../../src/gen/google/rpc/status.js';
import type { Json, Position } from '../../src/model/model.js';

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
    readonly unmet?: {
      readonly sinceReason?: string;
      readonly conditions: readonly {
        readonly path: readonly string[];
        readonly touchedAt?: number;
        readonly check?: Json;
      }[];
    };
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

const unmet = (
  contextId: string,
  current: Position | undefined,
  conditions: UnmetConditions['conditions'],
  sinceReason = FullReason.UNSPECIFIED,
) => any('chord.v1.UnmetConditions', UnmetConditions.encode({ contextId, current, sinceReason, conditions }));

/** A condition whose check does not hold. */
const unmetCheck = (
  keys: string[],
  test: NonNullable<Check['test']> | undefined,
): UnmetConditions['conditions'][0] => ({
  path: { keys },
  cause: { $case: 'check', value: { path: { keys }, test } },
  author: '',
});

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
type Case = [string, number, Detail[] | string | null, Partial<ErrorVector['error']> & { reason: string }, boolean];

const cases: Case[] = [
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
    'guarded paths were changed',
    10,
    [
      info('ABORTED', 'a'),
      unmet('a', position, [
        { path: { keys: ['topic'] }, cause: { $case: 'touchedAt', value: 4_294_967_296 }, author: '' },
        { path: { keys: ['', '__proto__', 'a.b'] }, cause: { $case: 'touchedAt', value: 2 }, author: '' },
      ]),
    ],
    {
      reason: 'ABORTED',
      contextId: 'a',
      current: position,
      unmet: {
        conditions: [
          { path: ['topic'], touchedAt: 4_294_967_296 },
          { path: ['', '__proto__', 'a.b'], touchedAt: 2 },
        ],
      },
    },
    false,
  ],
  [
    'checks that do not hold',
    10,
    [
      info('ABORTED', 'a'),
      unmet('a', position, [
        unmetCheck(['a', 'b'], { $case: 'equals', value: { list: [null, 1.5, 'x'] } }),
        unmetCheck(['a'], { $case: 'equals', value: null }),
        unmetCheck(['lock'], { $case: 'exists', value: false }),
        unmetCheck(['key'], { $case: 'exists', value: true }),
        unmetCheck(['seats'], { $case: 'atLeast', value: 1 }),
        unmetCheck(['seats'], { $case: 'atMost', value: 0 }),
      ]),
    ],
    {
      reason: 'ABORTED',
      contextId: 'a',
      current: position,
      unmet: {
        conditions: [
          { path: ['a', 'b'], check: { path: ['a', 'b'], equals: { list: [null, 1.5, 'x'] } } },
          { path: ['a'], check: { path: ['a'], equals: null } },
          { path: ['lock'], check: { path: ['lock'], exists: false } },
          { path: ['key'], check: { path: ['key'], exists: true } },
          { path: ['seats'], check: { path: ['seats'], atLeast: 1 } },
          { path: ['seats'], check: { path: ['seats'], atMost: 0 } },
        ],
      },
    },
    false,
  ],
  ...(
    [
      [FullReason.EPOCH_CHANGED, 'EPOCH_CHANGED'],
      [FullReason.AHEAD, 'AHEAD'],
      [FullReason.DIVERGED, 'DIVERGED'],
      [FullReason.HISTORY_TRUNCATED, 'HISTORY_TRUNCATED'],
    ] as const
  ).map(
    ([code, sinceReason]): Case => [
      `conditions cannot be compared: ${sinceReason}`,
      10,
      [info('ABORTED'), unmet('a', position, [], code)],
      { reason: 'ABORTED', contextId: 'a', current: position, unmet: { sinceReason, conditions: [] } },
      false,
    ],
  ),
  [
    'checks of a context that does not exist',
    10,
    [unmet('a', undefined, [unmetCheck(['n'], { $case: 'atLeast', value: -0.5 })]), info('ABORTED', 'a')],
    {
      reason: 'ABORTED',
      contextId: 'a',
      current: null,
      unmet: { conditions: [{ path: ['n'], check: { path: ['n'], atLeast: -0.5 } }] },
    },
    false,
  ],
  [
    'conditions of kinds that no client knows',
    10,
    [
      info('ABORTED', 'a'),
      unmet('a', position, [{ path: { keys: ['a'] }, cause: undefined, author: '' }, unmetCheck(['b'], undefined)]),
    ],
    {
      reason: 'ABORTED',
      contextId: 'a',
      current: position,
      unmet: { conditions: [{ path: ['a'] }, { path: ['b'] }] },
    },
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

/**
 * The table of RPCs. Each fact about a method that holds for every caller and request stands here once: whether the
 * method reads or writes, the rights that it needs on which contexts, how many writes it counts as, and whether it is
 * refused under overload. A test compares the table with the proto descriptors; a method that is missing here is denied
 * to every caller. A right to parts of documents counts only where a method says how: another method needs whole documents.
 */
import type { Right, RightScope } from '../auth/rights.js';
import type { RunCleanupRequest } from '../gen/chord/v1/cleanup_service.js';
import type * as c from '../gen/chord/v1/context_service.js';
import type { Expected, ReturnOptions } from '../gen/chord/v1/model.js';
import type { Subscription, SyncContextRequest, WatchContextsRequest } from '../gen/chord/v1/sync_service.js';
import { awaited, cutDown, hasConditions, type PartsRule, restsOn, touched, updated } from './parts.js';

export interface RequiredRight {
  readonly right: Right;
  readonly scope: RightScope;
  readonly target: string;
  /** How the right to parts of the document counts. Absent: not at all. */
  readonly parts?: PartsRule;
  /** What `parts` looks at. */
  readonly request?: unknown;
}

/**
 * `open`: every caller, authenticated or not. `identity`: every authenticated caller. Otherwise a caller that has all
 * of the rights that the request needs.
 */
export type AccessRule = 'open' | 'identity' | ((request: never) => readonly RequiredRight[]);

export interface MethodPolicy {
  /** What the method does with contexts. `admin`: neither reads nor writes them. */
  readonly kind: 'read' | 'write' | 'admin';
  readonly access: AccessRule;
  /** How many writes a request counts as in quotas. Absent: none. */
  readonly writes?: (request: never) => number;
  /** Whether the method may be refused under overload, before its request is received. */
  readonly sheddable: boolean;
}

type OfContext = { readonly contextId: string };
type OfPrefix = { readonly prefix: string };
type Writing = OfContext & {
  readonly returning?: ReturnOptions | undefined;
  readonly expected?: Expected | undefined;
};

const EXPORT: readonly Right[] = ['export'];
/** A restore writes documents that the exporter could read. */
const RESTORE: readonly Right[] = ['export', 'write'];

const reading = (request: OfContext) => [onParts('read', request, cutDown)];
/** A write of the whole document, or of the parts that it names. */
const writing = (request: Writing, parts?: PartsRule) => {
  const rights = [onParts('write', request, parts)];
  // A write that returns content of the document, or depends on it, is also a read.
  if (request.returning?.context || request.returning?.delta || hasConditions(request)) {
    rights.push(onParts('read', request, restsOn));
  }
  return rights;
};
/** Cleanup as a whole concerns all contexts. */
const tuning = () => onPrefix(['admin'], '');

const reads = (access: AccessRule): MethodPolicy => ({ kind: 'read', access, sheddable: true });
const writes = (access: AccessRule, count: (request: never) => number = () => 1): MethodPolicy => {
  return { kind: 'write', access, writes: count, sheddable: true };
};
const exports = (access: AccessRule): MethodPolicy => ({ kind: 'admin', access, sheddable: true });
const administers = (access: AccessRule): MethodPolicy => ({ kind: 'admin', access, sheddable: false });
/** Operators and load balancers get through, whatever the load. */
const observes = (access: AccessRule): MethodPolicy => ({ kind: 'read', access, sheddable: false });

const REFLECTION = { ServerReflectionInfo: observes('identity') };

export const METHODS: { readonly [service: string]: { readonly [method: string]: MethodPolicy } } = {
  'chord.v1.ContextService': {
    SetContext: writes((request: c.SetContextRequest) => writing(request)),
    UpdateContext: writes((request: c.UpdateContextRequest) => writing(request, updated)),
    RevertContext: writes((request: c.RevertContextRequest) => writing(request)),
    DeleteContext: writes((request: c.DeleteContextRequest) => writing(request)),
    TouchContext: writes((request: c.TouchContextRequest) => writing(request, touched)),
    BatchWrite: writes(
      ({ writes }: c.BatchWriteRequest) => writes.flatMap(batched),
      ({ writes }: c.BatchWriteRequest) => writes.length,
    ),
    GetContext: reads((request: c.GetContextRequest) => reading(request)),
    ListContexts: reads(({ prefix }: c.ListContextsRequest) => [
      { right: 'read', scope: 'prefix', target: prefix, parts: cutDown },
    ]),
  },
  'chord.v1.SyncService': {
    SyncContext: reads((request: SyncContextRequest) => reading(request)),
    ListDeltas: reads((request: OfContext) => reading(request)),
    BlameContext: reads((request: OfContext) => reading(request)),
    // It lasts as a watch does, and is answered with what a watch sends.
    WaitContext: reads((request: OfContext) => [onParts('watch', request, awaited)]),
    WatchContexts: reads(({ subscriptions }: WatchContextsRequest) => subscriptions.map(watching)),
  },
  'chord.v1.CleanupService': {
    RunCleanup: administers(({ prefix }: RunCleanupRequest) => onPrefix(['admin'], prefix)),
    StartCleanup: administers(tuning),
    StopCleanup: administers(tuning),
    UpdateCleanup: administers(tuning),
    GetCleanup: administers(tuning),
  },
  'chord.v1.TransferService': {
    ExportContext: exports(({ contextId }: OfContext) => onContext(EXPORT, contextId)),
    RestoreContext: writes(({ contextId }: OfContext) => onContext(RESTORE, contextId)),
    ExportContexts: exports(({ prefix }: OfPrefix) => onPrefix(EXPORT, prefix)),
    // Counts as one write: the number of restored contexts is not known in advance, and few callers have the right.
    RestoreContexts: writes(({ prefix }: OfPrefix) => onPrefix(RESTORE, prefix)),
  },
  'chord.v1.AdminService': {
    // A backup contains every document.
    Backup: administers(() => onPrefix(['admin', 'read'], '')),
    WatchStats: observes(tuning),
  },
  // A load balancer has no token.
  'grpc.health.v1.Health': { Check: observes('open'), List: observes('open'), Watch: observes('open') },
  'grpc.reflection.v1.ServerReflection': REFLECTION,
  'grpc.reflection.v1alpha.ServerReflection': REFLECTION,
};

/** Undefined for a method that is not in the table: no rule can allow it. */
export function policyOf({
  service,
  name,
}: {
  readonly service: string;
  readonly name: string;
}): MethodPolicy | undefined {
  return METHODS[service]?.[name];
}

/** A method that is not in the table counts as administration. */
export function kindOf(method: { readonly service: string; readonly name: string }): MethodPolicy['kind'] {
  return policyOf(method)?.kind ?? 'admin';
}

/**
 * The rights for one write of a batch. A write without an operation is refused by its handler; here it needs the right
 * to write everything.
 */
function batched({ write }: c.Write): RequiredRight[] {
  if (!write) return onPrefix(['write'], '');
  switch (write.$case) {
    case 'update':
      return writing(write.value, updated);
    case 'touch':
      return writing(write.value, touched);
    default:
      return writing(write.value);
  }
}

/**
 * The right for one subscription. One without a target is refused by its handler; here it needs the right to watch
 * everything.
 */
function watching({ target }: Subscription): RequiredRight {
  if (target?.$case === 'contextId') return { right: 'watch', scope: 'id', target: target.value, parts: cutDown };
  return { right: 'watch', scope: 'prefix', target: target?.value ?? '', parts: cutDown };
}

function onParts(right: Right, request: OfContext, parts: PartsRule | undefined): RequiredRight {
  const { contextId: target } = request;
  return parts ? { right, scope: 'id', target, parts, request } : { right, scope: 'id', target };
}

function onContext(rights: readonly Right[], target: string): RequiredRight[] {
  return rights.map((right) => ({ right, scope: 'id', target }));
}

function onPrefix(rights: readonly Right[], target: string): RequiredRight[] {
  return rights.map((right) => ({ right, scope: 'prefix', target }));
}

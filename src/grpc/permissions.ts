/**
 * Which rights each call needs, on which contexts. A call that is not named here is denied to everybody, and a test
 * fails for it.
 *
 * A write that answers what a document holds is a read, too. A restore writes what somebody exported once.
 */
import type { Right, RightScope } from '../auth/rules.js';
import type { RunCleanupRequest } from '../gen/chord/v1/cleanup_service.js';
import type * as c from '../gen/chord/v1/context_service.js';
import type { ReturnOptions } from '../gen/chord/v1/model.js';
import type { Subscription, SyncContextRequest, WatchContextsRequest } from '../gen/chord/v1/sync_service.js';

export interface RequiredRight {
  readonly right: Right;
  readonly scope: RightScope;
  readonly target: string;
}

/** `open`: nobody is asked. `identity`: whoever shows who it is. Otherwise: whoever has all the rights. */
export type Rule = 'open' | 'identity' | ((request: never) => readonly RequiredRight[]);

type OfContext = { readonly contextId: string };
type OfPrefix = { readonly prefix: string };
type Writing = OfContext & { readonly returning: ReturnOptions | undefined };

const READ: readonly Right[] = ['read'];
const WRITE: readonly Right[] = ['write'];
const EXPORT: readonly Right[] = ['export'];
const RESTORE: readonly Right[] = ['export', 'write'];

const reading = ({ contextId }: OfContext) => onContext(READ, contextId);
const silent = ({ contextId }: OfContext) => onContext(WRITE, contextId);
const writing = ({ contextId, returning }: Writing) =>
  onContext(returning?.context || returning?.delta ? ['write', 'read'] : WRITE, contextId);
/** Cleanup as a whole concerns all contexts. */
const tuning = () => onPrefix(['admin'], '');
const reflecting = { ServerReflectionInfo: 'identity' } as const;

export const PERMISSIONS: { readonly [service: string]: { readonly [method: string]: Rule } } = {
  'chord.v1.ContextService': {
    SetContext: (request: c.SetContextRequest) => writing(request),
    UpdateContext: (request: c.UpdateContextRequest) => writing(request),
    RevertContext: (request: c.RevertContextRequest) => writing(request),
    DeleteContext: (request: c.DeleteContextRequest) => silent(request),
    TouchContext: (request: c.TouchContextRequest) => silent(request),
    BatchWrite: ({ writes }: c.BatchWriteRequest) => writes.flatMap(batched),
    GetContext: (request: c.GetContextRequest) => reading(request),
    ListContexts: ({ prefix }: c.ListContextsRequest) => onPrefix(READ, prefix),
  },
  'chord.v1.SyncService': {
    SyncContext: (request: SyncContextRequest) => reading(request),
    ListDeltas: (request: OfContext) => reading(request),
    WatchContexts: ({ subscriptions }: WatchContextsRequest) => subscriptions.map(watching),
  },
  'chord.v1.CleanupService': {
    RunCleanup: ({ prefix }: RunCleanupRequest) => onPrefix(['admin'], prefix),
    StartCleanup: tuning,
    StopCleanup: tuning,
    UpdateCleanup: tuning,
    GetCleanup: tuning,
  },
  'chord.v1.TransferService': {
    ExportContext: ({ contextId }: OfContext) => onContext(EXPORT, contextId),
    RestoreContext: ({ contextId }: OfContext) => onContext(RESTORE, contextId),
    ExportContexts: ({ prefix }: OfPrefix) => onPrefix(EXPORT, prefix),
    RestoreContexts: ({ prefix }: OfPrefix) => onPrefix(RESTORE, prefix),
  },
  'chord.v1.AdminService': {
    // It holds every document.
    Backup: () => onPrefix(['admin', 'read'], ''),
    WatchStats: tuning,
  },
  // Whoever balances the load knows nobody's token.
  'grpc.health.v1.Health': { Check: 'open', List: 'open', Watch: 'open' },
  'grpc.reflection.v1.ServerReflection': reflecting,
  'grpc.reflection.v1alpha.ServerReflection': reflecting,
};

/** What each write of a batch needs alone. One that is none is refused later; until then it asks for everything. */
function batched({ write }: c.Write): RequiredRight[] {
  if (!write) return onPrefix(WRITE, '');
  return 'returning' in write.value ? writing(write.value) : silent(write.value);
}

/** A subscription that names nothing is refused later; until then it asks for everything. */
function watching({ target }: Subscription): RequiredRight {
  if (target?.$case === 'contextId') return { right: 'watch', scope: 'id', target: target.value };
  return { right: 'watch', scope: 'prefix', target: target?.value ?? '' };
}

function onContext(rights: readonly Right[], target: string): RequiredRight[] {
  return rights.map((right) => ({ right, scope: 'id', target }));
}

function onPrefix(rights: readonly Right[], target: string): RequiredRight[] {
  return rights.map((right) => ({ right, scope: 'prefix', target }));
}

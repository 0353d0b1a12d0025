/** BatchWrite: turns the request into parts of one batch commit, validates it, and answers a repeat of it. */
import { encodeProvenance } from '../../codec/provenance.js';
import type { Path } from '../../delta/types.js';
import { ChordError, invalid } from '../../model/errors.js';
import type { Head, JsonObject } from '../../model/model.js';
import type { BatchOperation, Duplicate } from '../../store/store.js';
import { type Evaluation, LongEvaluation } from '../lane/pending-write.js';
import type { Effect, TipView } from '../lane/state.js';
import { bytesRead, type PastBudget, type PointInTime, pastBudget } from '../sync/point-in-time.js';
import { checkId, checkRequestId, checkTtl } from '../validation.js';
import { type BatchCommitTools, type BatchPart, commitBatchOf, loadAll } from './batch-commit.js';
import { checkLimits, guardOf } from './conditions.js';
import { fingerprint } from './fingerprint.js';
import { withRecords } from './guard.js';
import { type RememberedAnswer, type RequestName, recall, remember, requestName } from './idempotency.js';
import { checkTouched, touchMembers } from './member-times.js';
import type { Edit } from './mutations.js';
import { checkEdit } from './value-limits.js';
import { partsIn } from './write-request.js';
import { edit, remove, revert, touch, type UpdateOptions, type WriteRequest, type WriteResult } from './writes.js';

/** The options of the single writes, but for `requestId`, which a batch has as a whole. */
type Options = Omit<UpdateOptions, 'requestId' | 'caller'>;

/** One write of a batch, with the arguments of its single call. */
export type BatchedWrite = { readonly id: string } & (
  | ({ readonly kind: 'set'; readonly value: JsonObject } & Options)
  | ({ readonly kind: 'update' } & Omit<Extract<Edit, { kind: 'update' }>, 'kind'> & Options)
  | ({ readonly kind: 'revert'; readonly version: number } & Options)
  | ({ readonly kind: 'delete' } & Pick<Options, 'expected' | 'allowMissing' | 'annotations'>)
  | { readonly kind: 'touch'; readonly ttl?: number | undefined; readonly paths?: readonly Path[] | undefined }
);

export interface BatchedResult extends WriteResult {
  /** For a touch only. */
  readonly head?: Head | undefined;
}

export interface BatchTools extends BatchCommitTools {
  readonly past: (id: string, version: number, budget: PastBudget) => Promise<PointInTime>;
  /** The answer of a write that was committed before. */
  readonly repeat: (id: string, first: RememberedAnswer, asked: WriteRequest) => Promise<WriteResult>;
}

export const WRITES_MAX = 100;
/** gRPC clients receive messages of up to 4 MiB by default. */
const RETURNED_BYTES_MAX = 3 << 20;

export async function writeBatch(
  shared: BatchTools,
  writes: readonly BatchedWrite[],
  { requestId = '', caller }: { readonly requestId?: string | undefined; readonly caller?: string | undefined },
): Promise<readonly BatchedResult[]> {
  const tools = { ...shared, budget: shared.budget.another() };
  const parts = checkWrites(tools, writes);
  checkRequestId(requestId);
  const asked = writes.map((write, i) => within(i, write, () => askOne(write, caller)));
  const guards = new Map(
    asked.flatMap(({ options: { guard } }, i) => (guard ? [[guard, writes[i]!.id] as const] : [])),
  );
  const name = requestName(requestId, caller);
  const print = name ? fingerprint(asked.map(({ essence }) => essence)) : '';
  let reads = pastBudget();
  const attempt = async () => {
    await loadAll(
      tools,
      writes.map(({ id }) => id),
    );
    reads = pastBudget();
    const evaluations = await Promise.all(writes.map((write, i) => prepare(tools, write, i, reads)));
    const evaluated = writes.map((write, i): BatchPart<BatchedResult> => {
      // The request id is stored with the first write's context, whatever that write stores.
      const named = i === 0 ? { name, fingerprint: print } : { fingerprint: '' };
      const all = { ...asked[i]?.options, ...named, parts };
      const { id, kind } = write;
      const edits = kind !== 'touch' && (kind !== 'delete' || write.expected?.checks !== undefined);
      return { id, edits, evaluate: (view) => ofWrite(i, write, () => evaluations[i]!(view, all)) };
    });
    return commitBatchOf(tools, evaluated, (effects, operations) => {
      checkReturned(effects);
      return name ? signed(operations, name, print, effects, tools.now()) : operations;
    });
  };
  const run = guards.size > 0 ? withRecords(tools.store, (guard) => guards.get(guard)!, attempt) : attempt();
  const written = await run.catch(async (error): Promise<Duplicate> => {
    // A refusal may only mean that the first try has done its work already.
    const first = name ? await tools.store.recall((writes[0] as BatchedWrite).id, name.id, name.formerId) : null;
    if (!first) throw error;
    return { kind: 'duplicate', first };
  });
  if (!('first' in written)) {
    const read = bytesRead(reads);
    return read === 0 ? written : written.map((result, i) => (i === 0 ? { ...result, read } : result));
  }
  const before = recall(written.first, print);
  return Promise.all(
    writes.map(({ id }, i) => tools.repeat(id, before[i]!, { ...asked[i]?.options, fingerprint: '' })),
  );
}

/** Checks all writes before any context is read. Answers the parts of all their values. */
function checkWrites({ store, budget }: BatchTools, writes: readonly BatchedWrite[]): number {
  if (writes.length === 0) throw invalid('writes', 'must not be empty');
  if (writes.length > WRITES_MAX) throw invalid('writes', `has more than ${WRITES_MAX} elements`);
  const places = new Map<string, number>();
  const room = budget.room();
  writes.forEach((write, i) => {
    within(i, write, () => {
      checkId(write.id);
      if (write.kind === 'set' || write.kind === 'update') checkEdit(write, room);
      if ('expected' in write) checkLimits(write.expected, room);
    });
    const before = places.get(write.id);
    if (before !== undefined) throw invalid(fieldOf(i), `names the same context as writes[${before}]`);
    places.set(write.id, i);
  });
  if (writes.length > 1 && !store.commitBatch) {
    throw new ChordError('FAILED_PRECONDITION', 'this store supports batches of one write only');
  }
  const apart = store.cluster?.apart([...places.keys()]) ?? [];
  if (apart.length === 0) return partsIn(room);
  const [first] = writes as readonly [BatchedWrite];
  const names = apart.map((id) => JSON.stringify(id)).join(', ');
  const where = `in the partition of ${JSON.stringify(first.id)}`;
  const hint = 'ids with the same part in braces, as {room:1}:a and {room:1}:b, lie together (docs/redis.md)';
  const violations = apart.slice(0, 10).map((id) => {
    return { field: fieldOf(places.get(id) as number), description: `does not lie ${where}` };
  });
  throw new ChordError('FAILED_PRECONDITION', `these contexts are not ${where}: ${names}; ${hint}`, { violations });
}

/** The options of a write, and the rest of the request, which identifies the write. */
function askOne(
  write: BatchedWrite,
  caller = '',
): {
  readonly options: Options & Pick<WriteRequest, 'guard' | 'provenance'>;
  readonly essence: unknown;
} {
  const { expected, ttl, allowMissing, returning, within, ...essence } = write as BatchedWrite & Options;
  if (write.kind === 'touch' && write.paths?.length) checkTouched(write.paths, ttl);
  else if (ttl !== undefined) checkTtl(ttl);
  if (write.kind === 'revert' && write.version < 1) throw invalid('version', 'must be at least 1');
  const guard = guardOf(expected, write.kind === 'update' ? write : undefined);
  const provenance = encodeProvenance(caller, essence.annotations);
  const options = {
    expected,
    ttl,
    allowMissing: write.kind === 'set' || allowMissing,
    returning,
    within,
    guard,
    provenance,
  };
  return { options, essence: [essence, expected, ttl, allowMissing] };
}

/** Prepares the evaluation of a write: what must be read before it is read now. */
async function prepare(
  { budget, past, now }: BatchTools,
  write: BatchedWrite,
  index: number,
  reads: PastBudget,
): Promise<(view: TipView, asked: WriteRequest) => ReturnType<Evaluation<BatchedResult>>> {
  switch (write.kind) {
    case 'set':
    case 'update':
      return (view, asked) => edit(view, write, asked, now(), budget);
    case 'revert': {
      const then = await past(write.id, write.version, reads).catch((error) => {
        return within(index, write, () => {
          throw error;
        });
      });
      return (view, asked) => revert(view, then, asked, now(), budget);
    }
    case 'delete':
      return (view, asked) => remove(view, asked, now());
    case 'touch':
      return (view) => {
        const { paths = [], ttl } = write;
        const effect = paths.length > 0 ? touchMembers(view, paths, ttl, now()) : touch(view, ttl, now());
        return { ...effect, answer: { position: effect.answer.position, changed: false, head: effect.answer } };
      };
  }
}

/** The operations with the request id, whose record holds the answers of all writes. */
function signed(
  [first, ...others]: readonly BatchOperation[],
  name: RequestName,
  print: string,
  effects: readonly Effect<BatchedResult>[],
  now: number,
): BatchOperation[] {
  const answers = effects.map(({ answer }) => answer);
  return [{ ...(first as BatchOperation), request: remember(name, print, answers, now) } as BatchOperation, ...others];
}

function checkReturned(effects: readonly Effect<BatchedResult>[]): void {
  let returned = 0;
  for (const { view, delta } of effects.map(({ answer }) => answer)) {
    returned += view?.value.bytes.length ?? 0;
    if (delta) returned += delta.payload.changes.length + delta.payload.olds.length;
  }
  if (returned <= RETURNED_BYTES_MAX) return;
  const limit = `the limit is ${RETURNED_BYTES_MAX}`;
  throw new ChordError('RESOURCE_EXHAUSTED', `the batch would return ${returned} bytes, ${limit}`);
}

/** Adds the index of the write to thrown errors. */
export function within<T>(index: number, { id }: { readonly id: string }, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof ChordError)) throw error;
    const { contextId = id, violations, ...details } = error.details;
    const fields = violations?.map((each) => ({ ...each, field: `writes[${index}].${each.field}` }));
    const message = `writes[${index}]${violations ? '.' : ': '}${error.message}`;
    throw new ChordError(error.reason, message, { ...details, contextId, ...(fields && { violations: fields }) });
  }
}

/** The same for an evaluation, which may be made in steps. */
function ofWrite<T>(index: number, write: BatchedWrite, evaluate: () => ReturnType<Evaluation<T>>) {
  const made = within(index, write, evaluate);
  if (!(made instanceof LongEvaluation)) return made;
  return new LongEvaluation<T>((pace) => {
    return made.run(pace).catch((error) => {
      return within(index, write, () => {
        throw error;
      });
    });
  });
}

function fieldOf(index: number): string {
  return `writes[${index}].id`;
}

/** The requests of writes, alone and in batches, and what they answer. */
import { toExpected } from './conditions.js';
import { ChordError, unsendable } from './errors.js';
import { checkDocument, checkExpected, checkMutations, checkPathList, checkPaths, checkText } from './fault.js';
import type {
  BatchWriteResponse,
  DeleteContextRequest,
  RevertContextRequest,
  SetContextRequest,
  SetContextResponse,
  TouchContextRequest,
  UpdateContextRequest,
  Write,
} from './gen/chord/v1/context_service.js';
import type { JsonObject } from './json.js';
import {
  type Context,
  type Delta,
  fromContext,
  fromDelta,
  fromPosition,
  type Path,
  type Position,
  toDuration,
  toMutation,
  toPath,
} from './model.js';
import type { CallOptions, DeleteOptions, Edit, UpdateOptions, WriteOptions, WriteResult } from './options.js';
import { randomUUID } from './uuid.js';

/** Those of the single calls, without what belongs to the batch. */
type InBatch<T> = Omit<T, 'requestId' | keyof CallOptions>;

/** One write of a batch: the member that is named after the call is the id of its context. */
export type BatchedWrite =
  | ({ readonly set: string; readonly value: object } & InBatch<WriteOptions>)
  | ({ readonly update: string } & Edit & InBatch<UpdateOptions>)
  | ({ readonly revert: string; readonly version: number } & InBatch<WriteOptions>)
  | ({ readonly delete: string } & InBatch<DeleteOptions>)
  | { readonly touch: string; readonly ttl?: number | undefined; readonly paths?: readonly Path[] | undefined };

/** Of `batch`. */
export interface BatchOptions extends CallOptions {
  /** Names the batch: a repeat answers what the first one did. Default: a random one, for the tries of this call. */
  readonly requestId?: string | undefined;
}

/** What one write of a batch did. */
export interface BatchResult {
  /** Of a delete: where the context stood last; undefined: it was missing. */
  readonly position: Position | undefined;
  /** False: the write changed nothing. */
  readonly changed: boolean;
  /** Where `returning` asks for it; of a touch without the value, unless the batch is a repeat. */
  readonly context: Context | undefined;
  readonly delta: Delta | undefined;
}

export function toSet(contextId: string, value: object, options: WriteOptions): SetContextRequest {
  return { contextId, value: value as JsonObject, ...toWrite(options) };
}

export function toUpdate(
  contextId: string,
  { changes, mutations = [] }: Edit,
  options: UpdateOptions,
): UpdateContextRequest {
  checkPaths(mutations);
  const { allowMissing = false } = options;
  const document = changes as JsonObject | undefined;
  return { contextId, changes: document, mutations: mutations.map(toMutation), allowMissing, ...toWrite(options) };
}

export function toRevert(contextId: string, version: number, options: WriteOptions): RevertContextRequest {
  return { contextId, version, ...toWrite(options) };
}

export function toDelete(contextId: string, options: DeleteOptions): DeleteContextRequest {
  const { expected, requestId, annotations } = toWrite(options);
  return { contextId, expected, requestId, annotations, allowMissing: options.allowMissing ?? false };
}

export function toTouch(contextId: string, ttl: number | undefined, paths: readonly Path[] = []): TouchContextRequest {
  checkPathList('paths', paths);
  return { contextId, ttl: toDuration(ttl), paths: paths.map(toPath) };
}

/** @throws ChordError */
function toWrite({ expected, checks, requestId, annotations = {}, ttl, returning }: WriteOptions) {
  checkExpected(expected, checks);
  for (const text of Object.entries(annotations).flat()) checkText('annotations', text);
  return {
    expected: toExpected(expected, checks),
    // Without one, another try would be another write.
    requestId: requestId || randomUUID(),
    annotations: new Map(Object.entries(annotations)),
    ttl: toDuration(ttl),
    returning: returning && { context: false, delta: false, oldValues: false, format: '', ...returning },
  };
}

/** @throws ChordError where a value cannot be sent */
export function checkEdit({ changes, mutations = [] }: Edit): void {
  checkDocument('changes', changes);
  checkMutations(mutations);
}

function toOne(write: BatchedWrite): NonNullable<Write['write']> {
  if ('set' in write) return { $case: 'set', value: toSet(write.set, write.value, write) };
  if ('update' in write) return { $case: 'update', value: toUpdate(write.update, write, write) };
  if ('revert' in write) return { $case: 'revert', value: toRevert(write.revert, write.version, write) };
  if ('delete' in write) return { $case: 'delete', value: toDelete(write.delete, write) };
  return { $case: 'touch', value: toTouch(write.touch, write.ttl, write.paths) };
}

/** @throws ChordError */
export function toBatched(write: BatchedWrite, index: number): Write {
  return within(index, write, () => {
    checkText('context_id', nameOf(write));
    const made = toOne(write);
    if ('requestId' in made.value) made.value.requestId = ''; // the batch has one
    return { write: made };
  });
}

/** @throws ChordError where a value cannot be sent */
export function checkBatched(write: BatchedWrite, index: number): void {
  within(index, write, () => {
    if ('set' in write) checkDocument('value', write.value);
    if ('update' in write) checkEdit(write);
  });
}

/** Names the write in the errors of what is done with it. */
function within<T>(index: number, write: BatchedWrite, run: () => T): T {
  try {
    return run();
  } catch (error) {
    const [fault] = error instanceof ChordError ? error.violations : [];
    if (!fault) throw error;
    throw unsendable(`writes[${index}].${kindOf(write)}.${fault.field}`, fault.description);
  }
}

function kindOf(write: BatchedWrite): 'set' | 'update' | 'revert' | 'delete' | 'touch' {
  if ('set' in write) return 'set';
  if ('update' in write) return 'update';
  if ('revert' in write) return 'revert';
  return 'delete' in write ? 'delete' : 'touch';
}

/** The id of its context. */
function nameOf(write: BatchedWrite): string {
  return (write as Record<string, unknown>)[kindOf(write)] as string;
}

export function fromBatched({ position, changed, context, delta }: BatchWriteResponse['results'][number]): BatchResult {
  return {
    position: position && fromPosition(position),
    changed,
    context: context && fromContext(context),
    delta: delta && fromDelta(delta),
  };
}

export function fromWrite({ position, changed, context, delta }: SetContextResponse): WriteResult {
  return {
    position: fromPosition(position),
    changed,
    context: context && fromFull(context),
    delta: delta && fromDelta(delta),
  };
}

export function fromFull<T extends object = JsonObject>(
  context: Parameters<typeof fromContext>[0],
): Context<T> & { readonly value: T } {
  return { ...fromContext(context), value: (context.value ?? {}) as T };
}

/**
 * A document changed by a function of it. The write is guarded by the paths that the function changed and those that it
 * names, not by the whole document: writes of others elsewhere in the document are no conflict, however many there are.
 */
import { status } from './codes.js';
import type { Expected } from './conditions.js';
import { diff } from './diff.js';
import { ChordError, unsendable } from './errors.js';
import { checkDocument } from './fault.js';
import type { JsonObject } from './json.js';
import type { Context, Mutation, Position } from './model.js';
import type { CallOptions, Edit, EditOptions, UpdateOptions, WriteResult } from './options.js';
import { backoff, type RetryPolicy } from './retry.js';
import { isPlain } from './struct.js';
import { sleep, sleepMax } from './timers.js';

/** The calls of the client that an edit makes. */
interface Calls {
  get(contextId: string, options: CallOptions): Promise<Context & { readonly value: JsonObject }>;
  update(contextId: string, edit: Edit, options: UpdateOptions): Promise<WriteResult>;
}

/** Changes its copy of the document, or answers another document. */
// biome-ignore lint/suspicious/noConfusingVoidType: a function that answers nothing, async or not
export type Editor<T> = (document: T) => T | void | Promise<T | void>;

interface Before {
  readonly value: JsonObject;
  /** Undefined: the context was missing. */
  readonly position: Position | undefined;
}

/** @param closing the end of the client @throws ChordError, and what the function throws */
export async function edit<T>(
  calls: Calls,
  policy: RetryPolicy,
  contextId: string,
  change: Editor<T>,
  { allowMissing = false, reads = [], attempts = policy.attempts, signal, metadata, ...options }: EditOptions,
  deadline: number,
  closing: AbortSignal,
): Promise<WriteResult> {
  const { annotations, ttl, returning } = options;
  const write = { annotations, ttl, returning };
  const end = Date.now() + sleepMax(options.deadline ?? deadline);
  let refusal: ChordError | undefined;
  const within = (): CallOptions => {
    const left = end - Date.now();
    if (left <= 0) throw refusal ?? overdue();
    return { deadline: left, signal, metadata };
  };
  for (let attempt = 1; ; attempt++) {
    const before = await read(calls, contextId, allowMissing, within()).catch((error: unknown) => {
      throw refusal && isReason(error, 'DEADLINE_EXCEEDED') ? refusal : error; // nothing is written
    });
    const after = await changed(change, before.value);
    const mutations = diff(before.value, after);
    if (mutations.length === 0 && before.position) {
      return { position: before.position, changed: false, context: undefined, delta: undefined };
    }
    const expected = guardOf(before.position, mutations, reads);
    const guarded = { ...write, ...within(), expected, allowMissing: !before.position };
    try {
      return await calls.update(contextId, { mutations }, guarded);
    } catch (error) {
      if (isReason(error, 'INVALID_ARGUMENT')) checkDocument('value', after); // by its place in the document
      // A deadline leaves open whether the write has happened: an earlier conflict must not stand for it.
      if (!isReason(error, 'ABORTED') || attempt >= attempts) throw error;
      refusal = error;
    }
    const stop = signal ? AbortSignal.any([signal, closing]) : closing;
    const wait = Math.min(backoff(policy, attempt - 1), (end - Date.now()) / 2);
    await sleep(wait, stop); // where it is aborted, the next call says why
  }
}

function overdue(): ChordError {
  return new ChordError('DEADLINE_EXCEEDED', 'the time of the edit is over', status.DEADLINE_EXCEEDED);
}

async function read(calls: Calls, contextId: string, allowMissing: boolean, options: CallOptions): Promise<Before> {
  try {
    return await calls.get(contextId, options);
  } catch (error) {
    if (allowMissing && isReason(error, 'NOT_FOUND')) return { value: {}, position: undefined };
    throw error;
  }
}

async function changed<T>(change: Editor<T>, document: JsonObject): Promise<JsonObject> {
  const copy = structuredClone(document) as T;
  const after: unknown = (await change(copy)) ?? copy;
  if (typeof after !== 'object' || after === null || !isPlain(after))
    throw unsendable('value', 'a document is a plain object');
  return after as JsonObject;
}

function guardOf(
  since: Position | undefined,
  mutations: readonly Mutation[],
  reads: NonNullable<EditOptions['reads']>,
): Expected {
  if (!since) return { absent: true };
  if (reads === 'document') return { position: since };
  return { unchanged: { since, paths: [...mutations.map(({ path }) => path), ...reads] } };
}

function isReason(error: unknown, reason: string): error is ChordError {
  return error instanceof ChordError && error.reason === reason;
}

/**
 * Describes the context, prefix and size of a call for logs, traces and the audit log: names and positions, never
 * contents.
 */
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { ANNOTATIONS_BYTES_MAX } from '../codec/provenance.js';
import { WRITES_MAX } from '../contexts/writes/batch.js';
import type { Write } from '../gen/chord/v1/context_service.js';
import { Position } from '../gen/chord/v1/model.js';
import { ID_BYTES_MAX, type Position as Stands } from '../model/model.js';
import type { CallFor, Method } from './call.js';
import { kindOf } from './methods.js';

export interface CallDescription {
  readonly contextId?: string;
  readonly prefix?: string;
  /** The number of subscriptions of a watch. */
  readonly targets?: number;
  /** The contexts that the writes of a batch name. */
  readonly contextIds?: readonly string[];
}

/** Empty for a request that was invalid, or has not been decoded yet. */
export function describeCall({ request }: CallFor): CallDescription {
  const { contextId, prefix, subscriptions, writes } = (request ?? {}) as Record<string, unknown>;
  return {
    ...(typeof contextId === 'string' && { contextId: contextId.slice(0, ID_BYTES_MAX) }),
    ...(typeof prefix === 'string' && { prefix: prefix.slice(0, ID_BYTES_MAX) }),
    ...(Array.isArray(subscriptions) && { targets: subscriptions.length }),
    ...(Array.isArray(writes) && { contextIds: writes.slice(0, WRITES_MAX).map(batched) }),
  };
}

interface Annotated {
  readonly annotations?: ReadonlyMap<string, string>;
}

/** What a write said of itself; for a batch, each of its writes, null where that is nothing. Undefined: nothing. */
export function annotationsOf(request: unknown): object | undefined {
  const { annotations, writes } = (request ?? {}) as Annotated & { readonly writes?: readonly Write[] };
  if (annotations instanceof Map) return ofMap(annotations);
  if (!Array.isArray(writes)) return undefined;
  const all = writes
    .slice(0, WRITES_MAX)
    .map(({ write }) => ofMap((write?.value as Annotated | undefined)?.annotations));
  return all.some((each) => each !== undefined) ? all : undefined;
}

/** Undefined also for more than a write may give: such a write is refused. */
function ofMap(annotations: ReadonlyMap<string, string> | undefined): Record<string, string> | undefined {
  if (!annotations?.size) return undefined;
  let length = 0;
  for (const [key, value] of annotations) length += key.length + value.length;
  return length <= ANNOTATIONS_BYTES_MAX ? Object.fromEntries(annotations) : undefined;
}

/** The contexts that a call names one by one, not by a prefix. */
export function contextIdsOf(call: CallFor): readonly string[] {
  const { contextId, contextIds } = describeCall(call);
  return contextIds ?? (contextId === undefined ? [] : [contextId]);
}

function batched({ write }: Write): string {
  return write?.value.contextId.slice(0, ID_BYTES_MAX) ?? '';
}

/** `chord.v1.ContextService/UpdateContext` */
export function pathOf({ service, name }: Pick<Method, 'service' | 'name'>): string {
  return `${service}/${name}`;
}

interface Answer {
  readonly position?: Stands;
  readonly context?: { readonly position?: Stands };
}

const BATCH = 'BatchWrite';
/** Field 1, with a length. */
const POSITION_TAG = 0x0a;

/** The position EPOCH:VERSION:DIGEST of the context after a write; undefined for an answer without a position. */
export function positionOf(method: Method, answer: unknown): string | undefined {
  if (kindOf(method) !== 'write' || method.name === BATCH) return undefined;
  if (answer instanceof Uint8Array) return encodedPosition(answer);
  const { position, context } = (answer ?? {}) as Answer;
  const stands = position ?? context?.position;
  return stands && text(stands);
}

/** The positions after the writes of a batch, in the order of the writes. */
export function positionsOf(method: Method, answer: unknown): (string | null)[] | undefined {
  if (method.name !== BATCH || !(answer instanceof Uint8Array)) return undefined;
  const reader = new BinaryReader(answer);
  const positions: (string | null)[] = [];
  while (reader.pos < reader.len) {
    reader.tag(); // the results are the only field
    positions.push(encodedPosition(reader.bytes()) ?? null);
  }
  return positions;
}

/**
 * Reads the position of an encoded result: field 1, which comes first where it is present, and is shorter than 128
 * bytes.
 */
function encodedPosition(bytes: Uint8Array): string | undefined {
  return bytes[0] === POSITION_TAG ? text(Position.decode(bytes.subarray(2, 2 + bytes[1]!))) : undefined;
}

function text({ epoch, version, digest }: Stands): string {
  return `${epoch}:${version}:${digest}`;
}

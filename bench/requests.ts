/** Requests to Chord as bytes, and the few answers that benchmarks look into. */
import {
  DeleteContextRequest,
  GetContextRequest,
  SetContextRequest,
  SetContextResponse,
  UpdateContextRequest,
  UpdateContextResponse,
} from '../src/gen/chord/v1/context_service.js';
import { SyncContextRequest, WatchContextsRequest, WatchContextsResponse } from '../src/gen/chord/v1/sync_service.js';
import type { JsonObject, Position } from '../src/model/model.js';
import type { Connection } from './client.js';

export const SET = '/chord.v1.ContextService/SetContext';
export const UPDATE = '/chord.v1.ContextService/UpdateContext';
export const GET = '/chord.v1.ContextService/GetContext';
export const DELETE = '/chord.v1.ContextService/DeleteContext';
export const SYNC = '/chord.v1.SyncService/SyncContext';
export const WATCH = '/chord.v1.SyncService/WatchContexts';

const PLAIN = { expected: undefined, requestId: '', annotations: new Map(), ttl: undefined, returning: undefined };

export function setRequest(contextId: string, value: JsonObject): Uint8Array {
  return SetContextRequest.encode({ ...PLAIN, contextId, value }).finish();
}

export function updateRequest(contextId: string, changes: JsonObject, requestId = ''): Uint8Array {
  return UpdateContextRequest.encode({
    ...PLAIN,
    requestId,
    contextId,
    changes,
    mutations: [],
    allowMissing: false,
  }).finish();
}

export function syncRequest(contextId: string, known?: Position): Uint8Array {
  return SyncContextRequest.encode({ contextId, known, includeOldValues: false, format: '', paths: [] }).finish();
}

/** Watches one context, from where the client stands, or all that begin with what stands before a `*`. */
export function watchRequest(contextId: string, known?: Position): Uint8Array {
  const subscription = {
    target: contextId.endsWith('*')
      ? { $case: 'prefix' as const, value: contextId.slice(0, -1) }
      : { $case: 'contextId' as const, value: contextId },
    known: new Map(known ? [[contextId, known]] : []),
    paths: [],
  };
  const heartbeatInterval = { seconds: 3600, nanos: 0 };
  return WatchContextsRequest.encode({
    subscriptions: [subscription],
    includeOldValues: false,
    format: '',
    heartbeatInterval,
  }).finish();
}

/** Creates or replaces a context; answers where it stands. */
export async function put(connection: Connection, contextId: string, value: JsonObject): Promise<Position> {
  const { position } = SetContextResponse.decode(await connection.unary(SET, setRequest(contextId, value)));
  return position!;
}

export async function update(connection: Connection, contextId: string, changes: JsonObject): Promise<Position> {
  const { position } = UpdateContextResponse.decode(await connection.unary(UPDATE, updateRequest(contextId, changes)));
  return position!;
}

export async function remove(connection: Connection, contextId: string): Promise<void> {
  const request = { contextId, expected: undefined, requestId: '', annotations: new Map(), allowMissing: false };
  await connection.unary(DELETE, DeleteContextRequest.encode(request).finish());
}

export function getRequest(contextId: string): Uint8Array {
  return GetContextRequest.encode({ contextId, version: 0, includeExpiries: false }).finish();
}

/** Which event a watch sent. */
export function eventOf(bytes: Buffer): NonNullable<WatchContextsResponse['event']> {
  return WatchContextsResponse.decode(bytes).event!;
}

/** The first byte of a WatchContextsResponse that holds a delta: cheaper than decoding it. */
export const DELTA_TAG = 0x12;

/** Documents and requests that are small to send and large to serve, and the stores that attacks begin with. */
import type {
  GetContextRequest as Get,
  ListContextsRequest as List,
  RevertContextRequest as Revert,
  UpdateContextRequest as Update,
} from '../../src/gen/chord/v1/context_service.js';
import {
  GetContextRequest,
  ListContextsRequest,
  ListContextsResponse,
  RevertContextRequest,
  UpdateContextRequest,
} from '../../src/gen/chord/v1/context_service.js';
import type { Mutation, Position } from '../../src/gen/chord/v1/model.js';
import {
  ListDeltasRequest,
  type Subscription,
  SyncContextRequest,
  WatchContextsRequest,
} from '../../src/gen/chord/v1/sync_service.js';
import type { Json, JsonObject } from '../../src/model/model.js';
import { SET, setRequest, UPDATE } from '../requests.js';
import type { Attacker } from './attacker.js';
import { must, type Preparation } from './run.js';

export const MB = 1_000_000;
/** As docs/limits.md has them. */
export const MESSAGE_MAX = 4 * 2 ** 20;

export const METHODS = {
  batch: '/chord.v1.ContextService/BatchWrite',
  delete: '/chord.v1.ContextService/DeleteContext',
  list: '/chord.v1.ContextService/ListContexts',
  revert: '/chord.v1.ContextService/RevertContext',
  deltas: '/chord.v1.SyncService/ListDeltas',
  cleanup: '/chord.v1.CleanupService/RunCleanup',
  export: '/chord.v1.TransferService/ExportContext',
  exports: '/chord.v1.TransferService/ExportContexts',
  restore: '/chord.v1.TransferService/RestoreContext',
  restores: '/chord.v1.TransferService/RestoreContexts',
  healthCheck: '/grpc.health.v1.Health/Check',
  healthWatch: '/grpc.health.v1.Health/Watch',
};

export function numbered(count: number): number[] {
  return Array.from({ length: count }, (_, n) => n);
}

/** 23 bytes of JSON each: 100,000 of them take 2.3 MB. With another `salt`, every one has another value. */
export function members(count: number, salt: number): JsonObject {
  return Object.fromEntries(numbered(count).map((n) => [`k${pad(n, 5)}`, `value-${pad(salt, 3)}-${n % 10}`]));
}

/** 13 bytes of JSON each, 25 on the wire: many small objects, which take in memory what no count of bytes shows. */
export function empties(count: number, salt: number): JsonObject {
  return Object.fromEntries(numbered(count).map((n) => [`${pad(salt, 3)}-${n}`, {}]));
}

/** Leaves at the end of `levels` keys; each leaf has its way to itself from `shared` keys on. */
export function deep(leaves: number, levels: number, value: Json): JsonObject {
  const chain = (depth: number): Json => (depth === 0 ? value : { a: chain(depth - 1) });
  return Object.fromEntries(numbered(leaves).map((n) => [`p${n}`, chain(levels - 1)]));
}

/** The names of many contexts, of 10 bytes each. */
export function idsOf(count: number): string[] {
  return numbered(count).map((n) => `many:${pad(n, 5)}`);
}

function pad(n: number, digits: number): string {
  return String(n).padStart(digits, '0');
}

/** `work` for each number below `count`, so many at a time. */
export async function each(count: number, atOnce: number, work: (n: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await work(next++);
  };
  await Promise.all(numbered(atOnce).map(worker));
}

export function set(attacker: Attacker, contextId: string, value: JsonObject) {
  return must(attacker.call(SET, setRequest(contextId, value)));
}

export function mutate(attacker: Attacker, contextId: string, mutations: Mutation[]) {
  return must(attacker.call(UPDATE, update({ contextId, mutations })));
}

export function splice(path: string[], index: number, removeCount: number, insert: Json[]): Mutation {
  return { path, operation: { $case: 'splice', value: { index, removeCount, insert } } };
}

export function put(path: string[], value: Json): Mutation {
  return { path, operation: { $case: 'set', value } };
}

const PLAIN = { expected: undefined, requestId: '', annotations: new Map(), ttl: undefined, returning: undefined };

export function update(fields: Partial<Update>): Uint8Array {
  const defaults = { ...PLAIN, contextId: '', changes: undefined, mutations: [], allowMissing: false };
  return UpdateContextRequest.encode({ ...defaults, ...fields }).finish();
}

export function get(fields: Partial<Get>): Uint8Array {
  return GetContextRequest.encode({ contextId: '', version: 0, includeExpiries: false, ...fields }).finish();
}

export function revert(fields: Partial<Revert>): Uint8Array {
  return RevertContextRequest.encode({ ...PLAIN, contextId: '', version: 1, ...fields }).finish();
}

export function list(fields: Partial<List>): Uint8Array {
  return ListContextsRequest.encode({
    prefix: '',
    pageSize: 1000,
    pageToken: '',
    includeValues: false,
    ...fields,
  }).finish();
}

export function sync(fields: Partial<SyncContextRequest>): Uint8Array {
  const defaults = { contextId: '', known: undefined, includeOldValues: false, format: '', paths: [] };
  return SyncContextRequest.encode({ ...defaults, ...fields }).finish();
}

export function deltas(fields: Partial<ListDeltasRequest>): Uint8Array {
  const defaults = {
    contextId: '',
    fromVersion: 0,
    pageSize: 1000,
    pageToken: '',
    includeOldValues: false,
    format: '',
  };
  return ListDeltasRequest.encode({ ...defaults, ...fields }).finish();
}

export function watch(subscriptions: Subscription[], format = ''): Uint8Array {
  const fields = { includeOldValues: false, heartbeatInterval: { seconds: 3600, nanos: 0 }, format };
  return WatchContextsRequest.encode({ ...fields, subscriptions }).finish();
}

export function ofPrefix(value: string, known = new Map<string, Position>(), paths: string[][] = []): Subscription {
  return { target: { $case: 'prefix', value }, known, paths: paths.map((keys) => ({ keys })) };
}

export function ofId(value: string, known?: Position, paths: string[][] = []): Subscription {
  const map = new Map(known ? [[value, known]] : []);
  return { target: { $case: 'contextId', value }, known: map, paths: paths.map((keys) => ({ keys })) };
}

/** A position as a hand-written call has it. */
export function at(version: number): Position {
  return { epoch: '', version, digest: '' };
}

/** Where all contexts below a prefix stand. */
export async function positions(attacker: Attacker, prefix: string): Promise<Map<string, Position>> {
  const found = new Map<string, Position>();
  for (let pageToken = '', more = true; more; more = pageToken !== '') {
    const { body } = await must(attacker.call(METHODS.list, list({ prefix, pageToken }), { keep: true }));
    const page = ListContextsResponse.decode(body);
    for (const { contextId, position } of page.contexts) found.set(contextId, position!);
    pageToken = page.nextPageToken;
  }
  return found;
}

/** For preparations whose single writes are larger than a server admits by default: as an operator may have set it. */
export const ANY_MEMBERS = ['--max-request-members', '1000000'];

/** The context `big`, set again and again to a document in which everything is new. */
export function sets(name: string, count: number, document: (n: number) => JsonObject): Preparation {
  return {
    name,
    chord: ANY_MEMBERS,
    async run(scene) {
      const eve = scene.as('eve');
      await set(eve, 'big', document(0));
      await each(count - 1, 2, (n) => set(eve, 'big', document(n + 1)));
    },
  };
}

/** Contexts of one field. */
export function many(count: number, chord: readonly string[] = []): Preparation {
  return {
    name: `${count} contexts`,
    chord,
    async run(scene) {
      const eve = scene.as('eve');
      const ids = idsOf(count);
      await each(count, 300, (n) => set(eve, ids[n]!, { n }));
    },
  };
}

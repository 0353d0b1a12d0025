/** The ops of a driver, on Node and on a page: see test/conformance/PROTOCOL.md. */
import { type BatchedWrite, ChordError, DeltaMismatch, type Presence, type Watch } from '../src/api.js';
import type { BaseClient } from '../src/client.js';
import type { LiveCopy, ReplicaEvents } from '../src/replica.js';
import { sleep } from '../src/timers.js';
import type { Target } from '../src/tracker.js';
import { type Args, event, type Form, targets, write, writeOptions } from './forms.js';
import * as vectors from './vectors.js';

/** What a replica of either entry has of an emitter. */
type Replica = LiveCopy & {
  on<K extends keyof ReplicaEvents>(name: K, listener: (...args: ReplicaEvents[K]) => void): unknown;
  once<K extends keyof ReplicaEvents>(name: K, listener: (...args: ReplicaEvents[K]) => void): unknown;
  off<K extends keyof ReplicaEvents>(name: K, listener: (...args: ReplicaEvents[K]) => void): unknown;
};

/** The entry of the client that is driven. */
export interface Driven {
  connect(args: Args): Promise<BaseClient>;
  replica(client: BaseClient, targets: readonly Target[]): Replica;
}

let driven: Driven;
let client: BaseClient;
const handles = new Map<string, Watch | Replica | Presence>();
/** Of watches: events asked for that did not come in time. */
const pending = new Map<string, ReturnType<Watch['next']>>();

/** Of replicas: what each call of their callbacks saw, and why they ended. */
const records = new Map<Replica, { seen: Form[]; ended: Promise<unknown> }>();

const ops: Record<string, (args: Args) => unknown> = {
  ...vectors,

  async connect(args) {
    await client?.close();
    client = await driven.connect(args);
    return {};
  },
  set: async (args) => client.set(args.contextId, args.value, writeOptions(args)),
  update: async (args) => client.update(args.contextId, args, writeOptions(args)),
  revert: async (args) => client.revert(args.contextId, args.version, writeOptions(args)),
  batch: async ({ writes, requestId }) => ({ results: await client.batch(writes.map(batched), { requestId }) }),
  async get({ contextId, includeExpiries, version, at }) {
    const then = { version, ...(at && { at: new Date(at) }) };
    if (!includeExpiries) return client.get(contextId, then);
    const { expiries, ...context } = await client.get(contextId, { ...then, includeExpiries });
    return { ...context, expiries: expiries.map(({ path, expiresAt }) => ({ path, expiresAt: expiresAt.getTime() })) };
  },

  async edit({ contextId, add, meanwhile = [], ...options }) {
    const seen: Form[] = [];
    const change = async (document: Form) => {
      const other = meanwhile[seen.length];
      seen.push(structuredClone(document));
      if (other) await client.update(other.contextId, other, writeOptions(other));
      for (const path of add) increment(document, path);
    };
    return { ...(await client.edit(contextId, change, options)), seen };
  },

  async wait({ contextId, until, known, timeout }) {
    const { result, heldAt } = await client.wait(contextId, until, { known, deadline: timeout });
    return { result: event(result), heldAt };
  },

  delete: async (args) => client.delete(args.contextId, writeOptions(args)),
  touch: async ({ contextId, ttl }) => client.touch(contextId, ttl),
  presence: async ({ contextId, path, value, ttl }) => keep(await client.presence(contextId, path, value, ttl)),
  list: async ({ prefix, includeValues }) => ({
    contexts: await all(client.list(prefix, { includeValues })),
  }),
  sync: async ({ contextId, known, ...options }) => ({ result: event(await client.sync(contextId, known, options)) }),

  async deltas({ contextId, fromVersion, ...options }) {
    const pages = await all(client.deltas(contextId, fromVersion, options));
    return { ...pages[0], deltas: pages.flatMap(({ deltas }) => deltas) };
  },

  async blame({ contextId, paths }) {
    const pages = await all(client.blame(contextId, paths));
    return { ...pages[0], lines: pages.flatMap(({ lines }) => lines) };
  },

  watch(args) {
    const { known = {}, includeOldValues = false, format = '' } = args;
    return keep(client.watch(targets(args), { known: new Map(Object.entries(known)), includeOldValues, format }));
  },

  async next({ handle, count = 1, timeout }) {
    const watch = handles.get(handle) as Watch;
    const late = sleep(timeout, new AbortController().signal).then(() => 'late' as const);
    const events: Form[] = [];
    while (events.length < count) {
      const next = pending.get(handle) ?? watch.next();
      pending.set(handle, next);
      const result = await Promise.race([next, late]);
      if (result === 'late') break;
      pending.delete(handle);
      if (result.done) break;
      events.push(event(result.value));
    }
    return { events };
  },

  async replica(args) {
    const replica = driven.replica(client, targets(args));
    const ended = happened(replica, 'error').then(([error]) => error);
    await inTime(replica.ready, args.timeout);
    const seen: Form[] = [];
    replica.on('change', ({ contextId }) => {
      const versions = Object.fromEntries([...replica.state()].map(([id, { position }]) => [id, position.version]));
      seen.push({ contextId, versions });
    });
    records.set(replica, { seen, ended });
    return keep(replica);
  },

  async seen({ handle, count, timeout }) {
    const replica = handles.get(handle) as Replica;
    const { seen } = records.get(replica)!;
    const enough = async () => {
      while (seen.length < count) await happened(replica, 'change');
    };
    await inTime(enough(), timeout);
    return { seen };
  },

  async ended({ handle, timeout }) {
    const error = await inTime(records.get(handles.get(handle) as Replica)!.ended, timeout);
    return { error: errorForm(error) };
  },

  async read({ handle, contextId, version, timeout = 10_000 }) {
    const replica = handles.get(handle) as Replica;
    const fits = () => {
      const at = replica.position(contextId)?.version ?? 0;
      return version === undefined || (version === 0 ? at === 0 : at >= version);
    };
    if (!fits()) {
      let check = () => {};
      const changed = new Promise<void>((resolve) => {
        check = () => fits() && resolve();
      });
      replica.on('change', check);
      await inTime(changed, timeout).finally(() => replica.off('change', check));
    }
    return { value: replica.get(contextId) ?? null, position: replica.position(contextId) ?? null };
  },

  async burst({ contextId, count, concurrency, name }) {
    const versions: number[] = [];
    let failed = 0;
    let next = 0;
    const worker = async () => {
      while (next < count) {
        const i = next++;
        const mutations = [
          { path: [name, String(i)], set: i },
          { path: ['total'], increment: 1 },
        ];
        await client.update(contextId, { mutations }, { allowMissing: true }).then(
          ({ position }) => versions.push(position.version),
          (error) => {
            failed++;
            console.error(error.message);
          },
        );
      }
    };
    await Promise.all(Array.from({ length: concurrency }, worker));
    return { versions, failed };
  },

  async close({ handle }) {
    if (handle === undefined) {
      await Promise.all([...handles.values()].map((each) => each.close()));
      handles.clear();
      await client.close();
    } else {
      await handles.get(handle)?.close();
      handles.delete(handle);
    }
    return {};
  },
};

function batched({ op, contextId, ...args }: Args): BatchedWrite {
  return { [op]: contextId, ...args, ...writeOptions(args) } as BatchedWrite;
}

function increment(document: Args, [key, ...rest]: string[]): void {
  if (rest.length > 0) {
    document[key!] ??= {};
    increment(document[key!], rest);
  } else {
    document[key!] = (document[key!] ?? 0) + 1;
  }
}

function happened<K extends keyof ReplicaEvents>(replica: Replica, name: K): Promise<ReplicaEvents[K]> {
  return new Promise((resolve) => {
    replica.once(name, (...args) => resolve(args));
  });
}

let handleCount = 0;

function keep(opened: Watch | Replica | Presence): Form {
  const handle = `h${++handleCount}`;
  handles.set(handle, opened);
  return { handle };
}

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

class Timeout extends Error {}

async function inTime<T>(promise: Promise<T>, timeout: number): Promise<T> {
  const controller = new AbortController();
  const late = sleep(timeout, controller.signal).then(() => {
    throw new Timeout(`not within ${timeout} ms`);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    late.catch(() => {});
    controller.abort();
  }
}

function errorForm(error: unknown): Form {
  if (error instanceof ChordError) return vectors.errorForm(error);
  const { message } = error as Error;
  if (error instanceof DeltaMismatch) return { reason: 'DELTA_MISMATCH', message, violations: [] };
  return { reason: error instanceof Timeout ? 'TIMEOUT' : 'DRIVER', message, violations: [] };
}

/** Answers a line with a line. Never rejects. */
export async function answer(entry: Driven, line: string): Promise<string> {
  driven = entry;
  const { id, op, ...args } = JSON.parse(line);
  try {
    const run = ops[op];
    if (!run) throw new Error(`no op ${op}`);
    return write({ id, ok: await run(args) });
  } catch (error) {
    return write({ id, error: errorForm(error) });
  }
}

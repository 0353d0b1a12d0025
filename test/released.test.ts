/**
 * A client of each release works with this server: requests are made, and answers read, with the descriptors of that
 * release (proto/released) alone, as its generated code does.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  createFileRegistry,
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonValue,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import { type FileDescriptorSet, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { Client, credentials } from '@grpc/grpc-js';
import test from 'ava';
import { serve } from './support/chord.js';

const RELEASED = fileURLToPath(new URL('../proto/released', import.meta.url));

// biome-ignore lint/suspicious/noExplicitAny: JSON of messages that only the descriptors know
type Json = any;

class ReleasedClient {
  readonly #registry;

  constructor(
    set: FileDescriptorSet,
    readonly client: Client,
  ) {
    this.#registry = createFileRegistry(set);
  }

  #method(path: string) {
    const [service = '', name] = path.split('/');
    const method = this.#registry.getService(`chord.v1.${service}`)?.methods.find((each) => each.name === name);
    if (!method) throw new Error(`the release has no ${path}`);
    const encode = (message: Json) =>
      Buffer.from(toBinary(method.input, fromJson(method.input, message, { registry: this.#registry })));
    const decode = (bytes: Buffer) => this.#toJson(method.output, bytes);
    return [`/chord.v1.${path}`, encode, decode] as const;
  }

  #toJson(desc: DescMessage, bytes: Buffer): Json {
    return toJson(desc, fromBinary(desc, bytes), { registry: this.#registry, alwaysEmitImplicit: true }) as JsonValue;
  }

  call(path: string, request: Json): Promise<Json> {
    const [full, encode, decode] = this.#method(path);
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(full, encode, decode, request, (error, answer) =>
        error ? reject(error) : resolve(answer),
      );
    });
  }

  stream(path: string, request: Json) {
    const [full, encode, decode] = this.#method(path);
    return this.client.makeServerStreamRequest(full, encode, decode, request);
  }
}

for (const name of readdirSync(RELEASED)) {
  test(`a client of ${name.replace('.binpb', '')} writes, reads, syncs and watches`, async (t) => {
    const { address } = await serve(t);
    const set = fromBinary(FileDescriptorSetSchema, readFileSync(join(RELEASED, name)));
    const grpc = new Client(address, credentials.createInsecure());
    t.teardown(() => grpc.close());
    const client = new ReleasedClient(set, grpc);

    const first = await client.call('ContextService/SetContext', {
      contextId: 'a',
      value: { n: 1, list: [1] },
      requestId: 'one',
    });
    t.like(first, { changed: true, position: { version: '1' } });
    const again = await client.call('ContextService/SetContext', {
      contextId: 'a',
      value: { n: 1, list: [1] },
      requestId: 'one',
    });
    t.deepEqual(again.position, first.position);

    const watch = client.stream('SyncService/WatchContexts', { subscriptions: [{ prefix: '' }] });
    t.teardown(() => watch.cancel());
    watch.on('error', () => {}); // cancelled
    const events = watch[Symbol.asyncIterator]();
    const next = async () => (await events.next()).value as Json;
    t.like((await next()).full, {
      context: { contextId: 'a', value: { n: 1, list: [1] } },
      reason: 'FULL_REASON_INITIAL',
    });
    t.true('caughtUp' in (await next()));

    const mutations = [
      { path: ['n'], increment: 2 },
      { path: ['list'], append: { values: [2] } },
      { path: ['gone'], set: 'x' },
      { path: ['gone'], remove: true },
    ];
    const updated = await client.call('ContextService/UpdateContext', {
      contextId: 'a',
      changes: { topic: 'tea' },
      mutations,
    });
    t.is(updated.position.version, '2');
    const { delta } = await next();
    t.deepEqual([delta.from, delta.to], [first.position, updated.position]);
    t.deepEqual(delta.changes.map(({ path }: Json) => path.join('.')).sort(), ['list', 'n', 'topic']);

    const synced = await client.call('SyncService/SyncContext', { contextId: 'a', known: first.position });
    t.deepEqual((synced.delta ?? synced.full.context).to ?? synced.full.context.position, updated.position);
    t.true('noChange' in (await client.call('SyncService/SyncContext', { contextId: 'a', known: updated.position })));
    const { deltas } = await client.call('SyncService/ListDeltas', { contextId: 'a' });
    t.is(deltas.length, 1 + 1);

    const batch = await client.call('ContextService/BatchWrite', {
      writes: [{ set: { contextId: 'b', value: { m: 1 } } }, { touch: { contextId: 'a' } }],
    });
    t.is(batch.results.length, 2);
    const got = await client.call('ContextService/GetContext', { contextId: 'a' });
    t.deepEqual(got.context.value, { n: 3, list: [1, 2], topic: 'tea' });
    const { contexts } = await client.call('ContextService/ListContexts', {});
    t.deepEqual(
      contexts.map(({ contextId }: Json) => contextId),
      ['a', 'b'],
    );
    await client.call('ContextService/DeleteContext', { contextId: 'a' });
    const error = await t.throwsAsync(client.call('ContextService/GetContext', { contextId: 'a' }));
    t.like(error, { code: 5 });
  });
}

/** Fan-outs to many watchers: the answer of the write comes first, and watchers see no half batch and no gap meanwhile. */
import test from 'ava';
import { ContextServiceService, UpdateContextRequest } from '../../src/gen/chord/v1/context_service.js';
import { SyncServiceService, WatchContextsRequest } from '../../src/gen/chord/v1/sync_service.js';
import { openChord } from '../../src/server/app.js';
import { connect } from '../support/chord.js';
import { startServer } from '../support/cli.js';
import { dial, framed, open } from '../support/raw.js';
import { Reader } from '../support/reader.js';
import { until } from '../support/until.js';

const MANY = 100;
/** Deltas stay below the size of the document. */
const wide = 'w'.repeat(500);

async function opened(targets: readonly string[], count = MANY) {
  const { contexts, hub } = await openChord({ backend: 'memory' });
  for (const id of ['a', 'b']) await contexts.set(id, { wide, sum: 0 });
  const readers = Array.from({ length: count }, () => new Reader(targets).open(contexts, hub));
  await Promise.all(readers.map((reader) => reader.beat()));
  const behind = (id: string, version: number) =>
    readers.filter(({ copies }) => (copies.get(id)?.position.version ?? 0) < version).length;
  return { contexts, hub, readers, behind };
}

for (const target of ['a', '*']) {
  test(`the answer of a write comes before the fan-out to many watchers of ${target}`, async (t) => {
    const { contexts, readers, behind } = await opened([target]);
    const { position } = await contexts.update('a', { changes: { n: 1 } });
    t.is(behind('a', position!.version), MANY);
    const written = await contexts.batch([
      { kind: 'update', id: 'a', changes: { n: 2 }, mutations: [] },
      { kind: 'update', id: 'b', changes: { n: 2 }, mutations: [] },
    ]);
    t.is(behind('a', written[0]!.position!.version), MANY);
    await Promise.all(readers.map((reader) => reader.beat()));
    for (const { log } of readers) {
      t.deepEqual(
        log.filter((line) => line.includes(' a ')),
        ['full initial a 1', 'delta a 1-2', 'delta a 2-3'],
      );
    }
  });
}

// A client takes an answer when it has the trailers, which node:http2 sends a turn of the event loop after the message.
// In a process of its own: the client sees in which order the sockets were written.
test('the whole answer is sent before the first delivery on other connections', async (t) => {
  const server = await startServer('--listen', '127.0.0.1:0', '--backend', 'memory');
  t.teardown(() => server.end('SIGKILL'));
  const { address } = server;
  const peer = connect(t, address);
  await peer.set({ contextId: 'a', value: { wide, n: 0 } });
  const came: string[] = [];
  let ready = 0;
  const target = { $case: 'contextId', value: 'a' } as const;
  const watch = framed(
    WatchContextsRequest.encode({
      ...{ subscriptions: [{ target, known: new Map(), paths: [] }], includeOldValues: false, format: '' },
      ...{ heartbeatInterval: undefined },
    }).finish(),
  );
  for (const session of Array.from({ length: 4 }, () => dial(t, address))) {
    for (let i = 0; i < MANY / 4; i++) {
      const { stream } = open(session, SyncServiceService.watchContexts.path);
      let messages = 0;
      stream.on('data', () => {
        if (++messages === 2) ready++; // the document, and caught_up
        if (messages > 2) came.push('delivery');
      });
      stream.end(watch);
    }
  }
  await until(() => ready === MANY);
  const writing = dial(t, address);
  for (let n = 1; n <= 5; n++) {
    const update = { contextId: 'a', changes: { n }, mutations: [], allowMissing: false, expected: undefined };
    const request = { ...update, requestId: '', annotations: new Map(), ttl: undefined, returning: undefined };
    const { stream } = open(writing, ContextServiceService.updateContext.path);
    stream.on('trailers', () => came.push('answer'));
    stream.end(framed(UpdateContextRequest.encode(request).finish()));
    await until(() => came.length === MANY + 1);
    t.is(came.splice(0)[0], 'answer');
  }
});

test('fan-outs that wait are bounded: then a write waits for the oldest', async (t) => {
  const { contexts, behind, readers } = await opened(['a']);
  let most = 0;
  const writes = Array.from({ length: 300 }, (_, n) =>
    contexts.update('a', { changes: { n } }).then(({ position }) => {
      const { version } = position!;
      for (let back = most; behind('a', version - back) > 0; back++) most = back + 1;
    }),
  );
  await Promise.all(writes);
  t.true(most > 1 && most <= 65, `${most}`);
  await Promise.all(readers.map((reader) => reader.beat()));
  t.is(behind('a', 301), 0);
  t.true(readers.every(({ log }) => log.filter((line) => line.startsWith('delta')).length === 300));
});

test('a watcher that reads while fan-outs wait shows no half batch', async (t) => {
  const { contexts, hub, readers } = await opened(['a', '*']);
  const sum = (reader: Reader, id: string) => (reader.copies.get(id)?.value?.sum ?? 0) as number;
  for (const reader of readers) {
    reader.onSettled = () => {
      if (sum(reader, 'a') + sum(reader, 'b') !== 0)
        reader.error ??= new Error(`half a batch: ${reader.log.slice(-5)}`);
    };
  }
  const update = (id: string, changes: { readonly [key: string]: number }) =>
    ({ kind: 'update', id, changes, mutations: [] }) as const;
  const writing: Promise<unknown>[] = [];
  for (let n = 1; n <= 200; n++) {
    // Some readers stop, and go on in the middle of a fan-out: they read what they lack.
    for (const [i, reader] of readers.entries()) if ((i * 7 + n) % 5 === 0) reader.room = n % 3;
    writing.push(contexts.update(n % 2 ? 'a' : 'b', { changes: { n } }));
    if (n % 3 === 0) writing.push(contexts.batch([update('a', { sum: n }), update('b', { sum: -n })]));
    if (n % 4 === 0) await new Promise((resolve) => setImmediate(resolve));
    for (const [i, reader] of readers.entries()) if ((i * 3 + n) % 4 === 0) reader.resume();
    if (n === 100) readers.push(new Reader(['*']).open(contexts, hub));
  }
  await Promise.all(writing);
  for (const reader of readers) reader.resume();
  await Promise.all(readers.map((reader) => reader.beat()));
  for (const reader of readers) t.is(sum(reader, 'a'), 198);
});

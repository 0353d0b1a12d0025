/** Batches are whole, whatever the peer tears. */
import { once } from 'node:events';
import test from 'ava';
import { Replica, type WatchEvent } from '../src/index.js';
import { at, caughtUp, connectedTo, delta, end, full, type Stream, startPeer } from './support/peer.js';

const begin = (stream: Stream) => {
  stream.write(full('a', 1, { n: 50 }));
  stream.write(full('b', 1, { n: 50 }));
  stream.write(caughtUp);
};

test('a watch brings a batch when it is whole; what the stream left incomplete comes again', async (t) => {
  const known: object[] = [];
  const peer = await startPeer(t, {
    watch: (stream, opened) => {
      known.push(stream.request.subscriptions.map((each) => Object.fromEntries(each.known)));
      if (opened === 1) {
        begin(stream);
        stream.write(delta('a', 1, 45, true));
        end(stream);
      } else {
        stream.write(delta('a', 1, 45));
        stream.write(delta('b', 1, 55));
        stream.write(caughtUp);
        stream.write(delta('a', 2, 40, true));
        stream.write(delta('b', 2, 60));
      }
    },
  });
  const seen: object[] = [];
  for await (const event of connectedTo(t, peer).watch(['a', 'b'])) {
    seen.push([event.type, 'to' in event ? event.to.version : 0, event.more]);
    if (seen.length === 8) break;
  }
  t.deepEqual(seen.slice(3), [
    ['delta', 2, false],
    ['delta', 2, false],
    ['caughtUp', 0, false],
    ['delta', 3, true],
    ['delta', 3, false],
  ]);
  t.deepEqual(known, [
    [{}, {}],
    [{ a: at(1) }, { b: at(1) }],
  ]);
});

test('no reader of a replica sees half of a batch', async (t) => {
  let stream: Stream | undefined;
  const peer = await startPeer(t, {
    watch: (opened) => {
      stream = opened;
      begin(opened);
    },
  });
  const replica = new Replica(connectedTo(t, peer), ['a', 'b']);
  await replica.ready;
  const sums: unknown[] = [];
  replica.on('change', () => {
    sums.push((replica.get('a')!.n as number) + (replica.get('b')!.n as number));
  });
  stream!.write(delta('a', 1, 10, true));
  // Later, and so in another turn of the client's loop than the first half.
  setImmediate(() => stream!.write(delta('b', 1, 90)));
  await replica.waitFor('b', at(2));
  t.deepEqual(sums, [100, 100]);
  await replica.close();
});

test('a batch of which one delta does not apply is not applied at all; its contexts come as documents', async (t) => {
  const peer = await startPeer(t, {
    watch: (stream, opened) => {
      if (opened === 1) {
        begin(stream);
        stream.write({
          event: { $case: 'deleted', value: { contextId: 'a', position: at(1), reason: 1 } },
          more: true,
        });
        stream.write(delta('b', 1, 1, false, ['missing', 'n']));
      } else {
        stream.write(full('b', 2, { n: 100 }));
        stream.write(caughtUp);
      }
    },
  });
  const replica = new Replica(connectedTo(t, peer), [{ prefix: '' }]);
  const states: unknown[] = [];
  replica.on('change', () => states.push([replica.get('a')?.n, replica.get('b')?.n]));
  await replica.ready;
  await once(replica, 'disconnect');
  t.deepEqual([replica.get('a'), replica.get('b')], [{ n: 50 }, { n: 50 }]);
  await once(replica, 'caughtUp');
  t.deepEqual([replica.get('a'), replica.get('b')], [undefined, { n: 100 }]);
  await replica.close();
});

test('a replica starts with kept state, and waits for positions', async (t) => {
  const peer = await startPeer(t, {
    watch: (stream) => {
      const { known } = stream.request.subscriptions[0]!;
      if (known.size === 0) begin(stream);
      else {
        stream.write(caughtUp);
        stream.write(delta('a', known.get('a')!.version, 51));
      }
    },
  });
  const client = connectedTo(t, peer);
  const first = new Replica(client, [{ prefix: '' }]);
  await first.ready;
  const state = first.state();
  await first.close();
  const second = new Replica(client, [{ prefix: '' }], { state });
  t.deepEqual(second.get('a'), { n: 50 }, 'at once');
  t.deepEqual(await second.waitFor('a', at(2)), { n: 51 });
  t.deepEqual(await second.waitFor('b', (value) => value?.n === 50), { n: 50 });
  await t.throwsAsync(second.waitFor('a', at(9), { timeout: 1 }), { message: /within 1 ms/ });
  await t.throwsAsync(
    second.waitFor('a', () => {
      throw new Error('of a predicate');
    }),
    { message: 'of a predicate' },
  );
  const late = second.waitFor('a', at(9));
  await Promise.all([t.throwsAsync(late, { message: 'the replica is closed' }), second.close()]);
});

test('a reader that leaves inside of a batch has the rest of it at hand', async (t) => {
  const peer = await startPeer(t, {
    watch: (stream) => {
      begin(stream);
      stream.write(delta('a', 1, 45, true));
      stream.write(delta('b', 1, 55));
      end(stream);
    },
  });
  const watch = connectedTo(t, peer).watch(['a', 'b']);
  const seen: WatchEvent[] = [];
  for (let i = 0; i < 4; i++) seen.push((await watch.next()).value!);
  t.true(seen[3]!.more);
  t.like((await watch.next()).value, { type: 'delta', contextId: 'b', more: false });
  await watch.close();
});

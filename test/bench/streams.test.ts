/** The benchmark's own tool for streams, on a real server: it must not count what was not received. */
import test from 'ava';
import { chatRoom, statusUpdate } from '../../bench/chatroom.js';
import { Connection } from '../../bench/client.js';
import { DELTA_TAG, eventOf, put, update, WATCH, watchRequest } from '../../bench/requests.js';
import { Followers, fanOut, Listeners, versionKey } from '../../bench/streams.js';
import { serve } from '../support/chord.js';

test('followers know which version each of them holds, and how long each took', async (t) => {
  const chord = await serve(t, { backend: 'memory' });
  const connection = await Connection.open(chord.address);
  t.teardown(() => connection.close());
  await put(connection, 'a', { n: 0 });
  await put(connection, 'b', { n: 0 });
  const known = await update(connection, 'a', { n: 1 });
  const caughtUp: number[] = [];
  const options = { idOf: (n: number) => (n < 2 ? 'a' : 'b'), caughtUp: (n: number) => void caughtUp.push(n) };
  const followers = await Followers.open([connection], 3, options);
  t.deepEqual(caughtUp.sort(), [0, 1, 2]);
  await followers.reach((id) => (id === 'a' ? known.version : 1));
  t.deepEqual(followers.receipts.map(({ id, version }) => versionKey(id, version)).sort(), ['a 2', 'a 2', 'b 1']);
  followers.forget();

  const sent = performance.now();
  const { version } = await update(connection, 'a', { n: 2 });
  await followers.reach((id) => (id === 'a' ? version : 1));
  const latencies = followers.latencies(new Map([[versionKey('a', version), sent]]));
  t.is(latencies.count, 2);
  t.true(latencies.percentiles(0)[0]! > 0);
  t.is(followers.receipts.length, 2);

  const abreast = await Followers.open([connection], 1, { idOf: () => 'a', known });
  await abreast.reach(() => version);
  t.deepEqual(
    abreast.receipts.map((receipt) => receipt.version),
    [version],
  );
  t.true(abreast.bytes > 0);
  abreast.close();
  followers.close();
});

test('a fan-out counts each delivery to each listener', async (t) => {
  const chord = await serve(t, { backend: 'memory' });
  const connection = await Connection.open(chord.address);
  t.teardown(() => connection.close());
  // Large enough that a delta is never larger than the document.
  await put(connection, 'a', chatRoom());
  const listeners = await Listeners.open([connection], 5, {
    path: WATCH,
    body: () => watchRequest('a'),
    opened: (bytes) => eventOf(bytes).$case === 'caughtUp',
    counts: (bytes) => bytes[0] === DELTA_TAG,
  });
  let events = 0;
  const send = () => update(connection, 'a', statusUpdate(++events));
  const self = { cpu: () => 0 } as Parameters<typeof fanOut>[0];
  const sample = await fanOut(self, listeners, { watchers: 5, seconds: 0.05, send });
  t.true(events > 0);
  t.is(sample.operations, 5 * events);
  t.is(sample.latencies.count, 5 * events);
  t.is(sample.bytes, listeners.bytes);
  t.true(sample.finalMs! >= sample.latencies.percentiles(0)[0]!);
  listeners.close();
});

/** Watches of very much: what they may ask for, what they hold, and how long they hold the event loop. */
import test from 'ava';
import { projectionOf } from '../../src/delta/projection.js';
import type { Subscription as ProtoSubscription } from '../../src/gen/chord/v1/sync_service.js';
import { fromSubscriptions } from '../../src/grpc/codec/sync-messages.js';
import type { ChordError } from '../../src/model/errors.js';
import type { Position } from '../../src/model/model.js';
import { openChord } from '../../src/server/app.js';
import { Coverage, KEYS_MAX } from '../../src/watch/coverage.js';
import { SLICE_STEPS, Slices } from '../../src/watch/slices.js';
import type { Subscription } from '../../src/watch/subscription.js';
import { Reader } from '../support/reader.js';

const open = (cacheBytes = 2 ** 20) => openChord({ backend: 'memory', cacheBytes });

function turnsCounted(): { readonly count: number; stop(): void } {
  const turns = { count: 0, stop: () => clearImmediate(next) };
  let next = setImmediate(function turn() {
    turns.count++;
    next = setImmediate(turn);
  });
  return turns;
}

test('of contexts that came and went nothing stays at a reader that stalls', async (t) => {
  const { contexts, hub } = await open();
  await contexts.set('known', { n: 1 });
  const reader = new Reader(['*']).open(contexts, hub);
  await reader.beat();
  reader.stalled = true;
  await contexts.set('stays', {});
  for (let i = 0; i < 1000; i++) {
    await contexts.set(`one${i}`, {});
    const change = { kind: 'update', id: 'stays', changes: { i }, mutations: [] } as const;
    await contexts.batch([{ kind: 'set', id: `group${i}`, value: {} }, change]);
    await contexts.delete(`one${i}`);
    await contexts.delete(`group${i}`);
  }
  t.is(reader.watcher.size.contexts, 2);
  t.true(reader.watcher.size.waiting < 210, `${reader.watcher.size.waiting}`);
  await contexts.delete('known');
  const before = reader.log.length;
  reader.resume();
  await reader.beat();
  t.deepEqual(reader.log.slice(before), ['full initial stays 1001', 'deleted deleted known 1', 'heartbeat']);
  t.deepEqual(reader.watcher.size, { contexts: 1, waiting: 0 });
});

test('what is on its way when it goes is told as deleted', async (t) => {
  const { contexts, hub } = await open(0);
  const reader = new Reader(['*']).open(contexts, hub);
  await reader.beat();
  reader.stalled = true;
  await contexts.set('a', {});
  const removed = contexts.delete('a');
  reader.resume(); // reads it before the removal is durable
  await removed;
  await reader.beat();
  const told = reader.log.filter((line) => line.includes(' a'));
  t.true([0, 2].includes(told.length), told.join());
  t.false(reader.copies.has('a'));
  t.is(reader.watcher.size.contexts, 0);
});

test('a group stays one for a reader that stalls, also where a part of it is gone', async (t) => {
  const { contexts, hub } = await open();
  for (const id of ['x', 'z']) await contexts.set(id, {});
  const reader = new Reader(['*']).open(contexts, hub);
  await reader.beat();
  reader.stalled = true;
  const set = (id: string) => ({ kind: 'set', id, value: { set: 1 } }) as const;
  await contexts.batch([set('x'), set('gone')]);
  await contexts.batch([{ kind: 'delete', id: 'gone' }, set('z')]);
  reader.resume();
  await reader.beat();
  t.deepEqual(reader.groups.at(-1)?.length, 2);
});

test('a reader that comes back to many contexts, of which few changed, reads those alone and lets others have their turn', async (t) => {
  const { contexts, hub, store } = await open(0);
  const known = new Map<string, { position: Position; value: { i: number } }>();
  for (let i = 0; i < 5000; i++) {
    const { position } = await contexts.set(`c${i}`, { i });
    known.set(`c${i}`, { position: position!, value: { i } });
  }
  await contexts.update('c77', { changes: { wide: 'x'.repeat(99) } });
  await contexts.delete('c78');
  const read: string[] = [];
  const load = store.load.bind(store);
  store.load = (id) => {
    read.push(id);
    return load(id);
  };
  const reader = new Reader(['c*'], known).open(contexts, hub);
  const turns = turnsCounted();
  await reader.until(() => reader.log.includes('caught_up'));
  turns.stop();
  t.deepEqual([...new Set(read)].sort(), ['c77', 'c78']);
  t.deepEqual(
    reader.log.map((line) => line.split(' ').slice(-2, -1)[0] ?? line),
    ['c77', 'absent', 'caught_up'],
  );
  t.true(turns.count >= 5, `${turns.count}`);
});

test('many readers that read many contexts take one slice in a turn, all together', async (t) => {
  const { contexts, hub } = await open(0);
  for (let i = 0; i < 500; i++) await contexts.set(`c${i}`, { i });
  const readers = Array.from({ length: 10 }, () => new Reader(['c*']).open(contexts, hub));
  const turns = turnsCounted();
  await Promise.all(readers.map((reader) => reader.until(() => reader.log.includes('caught_up'))));
  turns.stop();
  for (const { log } of readers) t.is(log.length, 501);
  t.true(turns.count >= (10 * 500) / (2 * SLICE_STEPS), `${turns.count}`);
});

test('slices: those that wait go on one in a turn, in order', async (t) => {
  const slices = new Slices(() => 0);
  t.false(slices.spend(SLICE_STEPS / 2));
  const order: string[] = [];
  const turns = turnsCounted();
  const work = async (name: string) => {
    for (let i = 0; i < 3; i++) {
      while (slices.spend(SLICE_STEPS)) await slices.next();
      order.push(`${name}${i} in ${turns.count}`);
    }
  };
  await Promise.all([work('a'), work('b')]);
  turns.stop();
  t.deepEqual(
    order.map((line) => line.slice(0, 2)),
    ['a0', 'b0', 'a1', 'b1', 'a2', 'b2'],
  );
  t.is(new Set(order.map((line) => line.split(' in ')[1])).size, 6);
});

test('prefixes that another one covers are neither listed nor subscribed to', async (t) => {
  const { contexts, hub } = await open();
  for (const id of ['aaa', 'ab', 'b']) await contexts.set(id, {});
  const subscribed: string[] = [];
  const subscribePrefix = hub.subscribePrefix.bind(hub);
  hub.subscribePrefix = (prefix, subscriber) => {
    subscribed.push(prefix);
    return subscribePrefix(prefix, subscriber);
  };
  const nested = Array.from({ length: 500 }, (_, i) => `${'a'.repeat(i + 1)}*`);
  const reader = new Reader([...nested, 'a*', 'b*']).open(contexts, hub);
  await reader.beat();
  t.deepEqual(subscribed, ['a', 'b']);
  t.deepEqual(reader.log, ['full initial aaa 1', 'full initial ab 1', 'full initial b 1', 'caught_up', 'heartbeat']);
});

test('as much of a context is of interest as any of its subscriptions asks for', (t) => {
  const sub = (target: string, ...paths: string[]): Subscription => ({
    target: target.endsWith('*') ? { kind: 'prefix', prefix: target.slice(0, -1) } : { kind: 'id', id: target },
    known: new Map(),
    scope: paths.length === 0 ? undefined : projectionOf(paths.map((path) => path.split('.'))),
  });
  const subscriptions = [
    ...[
      sub('a*', 'p'),
      sub('ab*', 'q'),
      sub('abc', 'r'),
      sub('b*'),
      sub('bb*', 'p'),
      sub('aa', 'p'),
      sub('\u{1f600}*', 's'),
    ],
    ...[sub('ab*', 'q.z'), sub('ac', 't'), sub('ac')],
  ];
  const coverage = new Coverage(subscriptions);
  const roots = (id: string) => coverage.interestIn(id)?.scope?.key;
  const of = (...paths: string[]) => projectionOf(paths.map((path) => path.split('.'))).key;
  const wanted = { a: of('p'), aa: of('p'), aaz: of('p'), ab: of('p', 'q'), abc: of('p', 'q', 'r'), abd: of('p', 'q') };
  for (const [id, key] of Object.entries(wanted)) t.is(roots(id), key, id);
  for (const id of ['b', 'bb', 'bbc', 'ac']) t.is(roots(id), undefined, id);
  t.is(roots('\u{1f600}x'), of('s'));
});

const paths = (count: number, name = 'k', keys = 1) =>
  Array.from({ length: count }, (_, i) => ({ keys: Array.from({ length: keys }, (_, k) => `${name}${i}.${k}`) }));

const asked = (target: ProtoSubscription['target'], of: ProtoSubscription['paths']): ProtoSubscription => ({
  ...{ target, known: new Map(), paths: of },
});

test('paths are bounded in all subscriptions of a watch, and those that overlap', (t) => {
  const prefix = (value: string) => ({ $case: 'prefix', value }) as const;
  const contextId = (value: string) => ({ $case: 'contextId', value }) as const;
  const refusal = (act: () => unknown) => t.throws<ChordError>(act as () => void);
  const apart = Array.from({ length: 33 }, (_, i) => asked(prefix(`${i}:`), paths(1000, `n${i}.`)));
  t.regex(refusal(() => fromSubscriptions(apart)).message, new RegExp(`subscriptions\\[32\\].paths.*${KEYS_MAX}`));
  t.notThrows(() => new Coverage(fromSubscriptions(apart.slice(0, 32))));

  // Each is a part of all that are longer.
  const nested = Array.from({ length: 100 }, (_, i) => asked(prefix('x'.repeat(i + 1)), paths(10, `n${i}.`)));
  const { message, reason } = refusal(() => new Coverage(fromSubscriptions(nested)));
  t.is(reason, 'INVALID_ARGUMENT');
  t.regex(message, new RegExp(`subscriptions.*${KEYS_MAX}.*overlap`));

  // The same paths everywhere are the paths of one.
  const same = Array.from({ length: 500 }, (_, i) => asked(prefix('x'.repeat(i + 1)), paths(1000)));
  const ids = Array.from({ length: 300 }, (_, i) => asked(contextId(`${'x'.repeat(500)}${i}`), paths(1000)));
  const coverage = new Coverage(fromSubscriptions([...same, ...ids]));
  t.is(coverage.interestIn('x'), coverage.interestIn(`${'x'.repeat(500)}7`));
});

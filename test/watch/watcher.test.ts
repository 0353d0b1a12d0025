/** What a reader gets: while it reads, while it stalls, and when nothing is left of it. */
import { EventEmitter, once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import type { CommitEvent } from '../../src/contexts/events.js';
import { openChord } from '../../src/server/app.js';
import { openMemory } from '../../src/store/memory.js';
import { Hub } from '../../src/watch/hub.js';
import { Reader } from '../support/reader.js';

const open = () => openChord({ backend: 'memory' });
const wide = 'x'.repeat(200);

test('everything that exists comes before caught_up, what is asked for and missing as absent', async (t) => {
  const { contexts, hub } = await open();
  for (const id of ['p1', 'p2', 'q']) await contexts.set(id, {});
  const reader = new Reader(['p*', 'q', 'r']).open(contexts, hub);
  await reader.until(() => reader.log.includes('caught_up'));
  t.deepEqual(reader.log.slice(0, -1).sort(), [
    'absent r',
    'full initial p1 1',
    'full initial p2 1',
    'full initial q 1',
  ]);
  await contexts.set('r', {});
  await reader.beat();
  t.deepEqual(reader.log.slice(-2), ['full initial r 1', 'heartbeat']);
});

test('a reader that stalls gets one delta, and heartbeats become one', async (t) => {
  const { contexts, hub } = await open();
  await contexts.set('a', { wide, n: 0 });
  const reader = new Reader(['a']).open(contexts, hub);
  await reader.beat();
  reader.stalled = true;
  for (let n = 1; n <= 50; n++) {
    await contexts.update('a', { changes: { n } });
    reader.watcher.heartbeat();
  }
  const before = reader.log.length;
  reader.resume();
  await reader.beat();
  t.deepEqual(reader.log.slice(before, before + 2), ['delta a 1-51', 'heartbeat']);
  t.deepEqual(reader.copies.get('a')?.value, { wide, n: 50 });
});

test('deleted, or deleted and recreated, while the reader stalls', async (t) => {
  const { contexts, hub } = await open();
  for (const id of ['a', 'b']) await contexts.set(id, { n: 1 });
  const reader = new Reader(['*']).open(contexts, hub);
  await reader.beat();
  reader.stalled = true;
  for (const id of ['a', 'b']) await contexts.delete(id);
  await contexts.set('b', { n: 2 });
  reader.resume();
  await reader.beat();
  t.deepEqual(reader.log.slice(-3), ['deleted deleted a 1', 'full epoch_changed b 1', 'heartbeat']);
});

test('a context that is deleted and made again while a gap is looked into comes once', async (t) => {
  let [began, goOn] = [() => {}, () => {}];
  const listing = new Promise<void>((resolve) => {
    began = resolve;
  });
  const memory = openMemory();
  const { list } = memory;
  const { contexts, hub } = await openChord({ store: memory });
  await contexts.set('a', { n: 1 });
  const reader = new Reader(['*']).open(contexts, hub);
  await reader.beat();
  memory.list = async (...args) => {
    const page = await list.apply(memory, args);
    began();
    await new Promise<void>((resolve) => {
      goOn = resolve;
    });
    return page;
  };
  reader.stalled = true;
  await contexts.delete('a');
  hub.publish({ kind: 'gap' });
  await listing;
  reader.resume();
  await reader.until(() => reader.log.includes('deleted deleted a 1'));
  await contexts.set('a', { n: 2 });
  await reader.until(() => reader.log.at(-1) === 'full initial a 1');
  memory.list = list;
  goOn();
  await turn();
  for (let beats = 0; beats < 2; beats++) await reader.beat();
  t.deepEqual(reader.log.slice(3), ['deleted deleted a 1', 'full initial a 1', 'heartbeat', 'heartbeat']);
});

test('a heartbeat that was queued during a list does not vouch for what the list finds', async (t) => {
  const steps = new EventEmitter();
  const store = openMemory();
  const [here, other] = [await openChord({ store, clock: () => 7 }), await openChord({ store })];
  const beats: (number | undefined)[] = [];
  const reader = new Reader(['*']);
  const { send } = reader;
  reader.send = (event, more) => {
    if (event.kind === 'heartbeat') beats.push(event.at);
    send.call(reader, event, more);
  };
  reader.open(here.contexts, here.hub);
  await reader.until(() => reader.log.includes('caught_up'));
  reader.stalled = true;
  await other.contexts.set('a', { n: 1 });
  const { list } = store;
  store.list = async (...args) => {
    const page = await list.apply(store, args);
    const goesOn = once(steps, 'go on');
    steps.emit('began');
    await goesOn;
    return page;
  };
  const began = once(steps, 'began');
  here.hub.publish({ kind: 'gap' });
  await began;
  reader.watcher.heartbeat();
  steps.emit('go on');
  for (let turns = 0; reader.watcher.size.waiting < 2 && turns < 1000; turns++) await turn();
  reader.resume();
  await reader.until(() => reader.copies.has('a'));
  t.deepEqual([reader.log, beats], [['caught_up', 'heartbeat', 'full initial a 1'], [undefined]]);
  await reader.beat();
  t.deepEqual(beats, [undefined, 7]);
});

test('known positions: a delta, nothing, the document with its reason, absent', async (t) => {
  const { contexts, hub } = await open();
  const first = await contexts.set('a', { wide, n: 1 });
  await contexts.update('a', { changes: { n: 2 } });
  const { position } = await contexts.set('b', {});
  await contexts.set('c', {});
  const known = new Map([
    ['a', { position: first.position!, value: { wide, n: 1 } }],
    ['b', { position: position!, value: {} }],
    ['c', { position: { epoch: 'another1', version: 1, digest: '' }, value: undefined }],
    ['d', { position: position!, value: {} }],
  ]);
  const reader = new Reader(['*'], known).open(contexts, hub);
  await reader.beat();
  t.deepEqual(reader.log, ['delta a 1-2', 'full epoch_changed c 1', 'absent d', 'caught_up', 'heartbeat']);
});

test('a reader of an id and two prefixes of it gets each change once', async (t) => {
  const { contexts, hub } = await open();
  await contexts.set('ab', { wide, n: 0 });
  const reader = new Reader(['ab', 'a*', '*']).open(contexts, hub);
  await reader.beat();
  for (let n = 1; n <= 3; n++) await contexts.update('ab', { changes: { n } });
  await reader.beat();
  t.deepEqual(reader.log.slice(2), ['heartbeat', 'delta ab 1-2', 'delta ab 2-3', 'delta ab 3-4', 'heartbeat']);
});

test('the hub offers by id and by every prefix, and keeps nothing of those who left', (t) => {
  const hub = new Hub(undefined);
  const heard: string[] = [];
  const named = (name: string) => ({
    offer: (event: CommitEvent) => void heard.push(`${name} ${event.kind}`),
    owner: { offerBatch: () => {}, seen: 0 },
  });
  const [exact, all, some] = [named('exact'), named('all'), named('some')] as const;
  void hub.subscribe('abc', exact);
  void hub.subscribePrefix('', all);
  void hub.subscribePrefix('ab', some);
  hub.publish({ kind: 'reset', id: 'abc' });
  hub.publish({ kind: 'reset', id: 'a' });
  hub.publish({ kind: 'gap' });
  t.deepEqual(heard.splice(0).sort(), [
    'all gap',
    'all reset',
    'all reset',
    'exact gap',
    'exact reset',
    'some gap',
    'some reset',
  ]);
  hub.unsubscribe('abc', exact);
  hub.unsubscribePrefix('ab', some);
  hub.unsubscribePrefix('', all);
  hub.publish({ kind: 'reset', id: 'abc' });
  t.deepEqual(heard, []);
  t.is(hub.watched, 0);
});

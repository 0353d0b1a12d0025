/** Messages of other servers that come late: what a lane makes of them. */
import test from 'ava';
import type { CommitEvent, DeltaView } from '../../../src/contexts/events.js';
import { Lane } from '../../../src/contexts/lane/lane.js';
import { ContextService } from '../../../src/contexts/service.js';
import { ChordError } from '../../../src/model/errors.js';
import { openMemory } from '../../../src/store/memory.js';
import type { Store } from '../../../src/store/store.js';

const AWAY = new ChordError('UNAVAILABLE', 'away');
const fails = (): Promise<never> => Promise.reject(AWAY);

function serviceOf(store: Store, publish: (event: CommitEvent) => void): ContextService {
  const limits = { cacheBytes: 1e6, maxDocumentBytes: 1e6, maxRequestMembers: 1000, deltaThreshold: 100 };
  return new ContextService({ store, publish, clock: () => 1, onError: () => {}, ...limits });
}

/** A context at version 3, the deltas that led to it, and another server's lane of it. */
async function written() {
  const store = openMemory();
  const deltas: DeltaView[] = [];
  const publish = (event: CommitEvent) => {
    if (event.kind === 'delta') deltas.push(event.delta);
  };
  const other = serviceOf(store, publish);
  const write = (n: number) => other.update('a', { changes: { n } }, { allowMissing: true });
  const published: CommitEvent[] = [];
  const upkeep = { isDue: () => false, evaluate: () => ({ head: null, answer: undefined }) };
  const lane = new Lane(
    'a',
    store,
    (event) => published.push(event),
    () => {},
    100,
    upkeep,
  );
  return { deltas, store, lane, write, published };
}

test('a commit that a lane was loaded with is published when its message comes: no watcher was told', async (t) => {
  const { deltas, lane, write, published } = await written();
  for (const n of [1, 2, 3]) await write(n);
  await lane.ready();
  t.is(lane.durable?.position.version, 3);
  t.deepEqual(published, []);
  for (const delta of deltas) t.is(lane.offer(delta), undefined);
  t.deepEqual(
    published.map((event) => event.kind === 'delta' && event.delta.to.version),
    [1, 2, 3],
  );
});

test('a commit that a lane has published itself is not published again', async (t) => {
  const { deltas, lane, write, published } = await written();
  await write(1);
  await lane.ready();
  await write(2);
  await lane.refresh();
  t.is(published.length, 1);
  await lane.offer(deltas[1]!);
  t.is(published.length, 1);
});

for (const away of [false, true]) {
  const what = away ? 'and the store is away then' : 'which it conflicts with';
  test(`a commit that comes while a write is in flight, ${what}, is not passed over as known`, async (t) => {
    const { deltas, store, write } = await written();
    await write(1);
    const published: CommitEvent[] = [];
    const here = serviceOf(store, (event) => published.push(event));
    await here.get('a');
    const { commit } = store;
    let arrive = () => {};
    store.commit = (own) =>
      new Promise((resolve, reject) => {
        arrive = () => (away ? reject(AWAY) : void commit.call(store, own).then(resolve, reject));
      });
    const own = here.update('a', { changes: { own: 1 } }).then(({ position }) => position?.version, String);
    store.commit = commit;
    await write(2);
    const { from, to: position, at, payload } = deltas[1]!;
    here.onFeed({ kind: 'committed', id: 'a', from, record: { position, at, ...payload } });
    const told = here.told(); // heartbeats wait for it
    if (away) Object.assign(store, { load: fails, head: fails, deltas: fails });
    t.deepEqual(published, []);
    arrive();
    await told;
    t.is(published[0]?.kind, away ? 'reset' : 'delta');
    t.is(await own, away ? String(AWAY) : 3);
  });
}

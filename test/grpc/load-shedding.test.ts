/** With more to do than it can: the server refuses early, in an orderly way, and recovers. One test at a time: some make the loop late. */
import { Metadata } from '@grpc/grpc-js';
import test from 'ava';
import { CleanupServiceService } from '../../src/gen/chord/v1/cleanup_service.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { connect, type Peer, Reader, type Refusal, refusal, refused, serve, watch } from '../support/chord.js';
import { serveLimited } from '../support/limited.js';
import { until } from '../support/until.js';

const RESOURCE_EXHAUSTED = 8;
const SERVING = Buffer.from([0x08, 0x01]);

function overloaded(found: Refusal): boolean {
  const soon = found.retryAfter !== undefined && found.retryAfter >= 1000 && found.retryAfter < 2000;
  return found.code === RESOURCE_EXHAUSTED && /overloaded/.test(found.message) && soon;
}

/** The answer of the standard health check. */
function health(peer: Peer): Promise<Buffer> {
  const same = (bytes: Buffer) => bytes;
  return new Promise((resolve, reject) => {
    peer.client.makeUnaryRequest(
      '/grpc.health.v1.Health/Check',
      same,
      same,
      Buffer.alloc(0),
      new Metadata(),
      (error, answer) => (error ? reject(error) : resolve(answer!)),
    );
  });
}

test.serial('too many calls under way: one connection’s flood leaves the others their turn', async (t) => {
  const { as, hold, letGo } = await serveLimited(t, { maxInFlight: 3 });
  const [flooding, honest, newcomer] = [as('a'), as('b'), as('c')];
  const reader = watch(t, honest, { id: 'watched' });
  await reader.caughtUp();
  const held = hold('slow', 3);
  const calls = [1, 2, 3].map(() => flooding.set({ contextId: 'slow' }));
  await held;

  t.true(overloaded(await refused(flooding.set({ contextId: 'x' }))));
  t.true(overloaded(await refused(flooding.get({ contextId: 'x' }))));
  t.true(
    overloaded(
      await refused(flooding.raw({ ...missing, path: '/chord.v1.SyncService/SyncContext' }, new Uint8Array())),
    ),
  );
  for (let n = 1; n <= 20; n++) await honest.update({ contextId: 'watched', changes: { n }, allowMissing: true });
  await reader.until(() => reader.copies.get('watched')?.value.n === 20);
  t.true(overloaded(refusal(await new Reader(newcomer, { id: 'watched' }).end())), 'new streams wait');

  t.deepEqual(await health(flooding), SERVING);
  const { path, responseDeserialize } = CleanupServiceService.getCleanup;
  t.truthy((await flooding.raw({ path, responseDeserialize }, new Uint8Array())).status);

  letGo();
  await Promise.all(calls);
  await flooding.set({ contextId: 'x' });
  await watch(t, newcomer, { id: 'watched' }).caughtUp();
});

const missing = { responseDeserialize: () => undefined };

test.serial('a flood on one connection, and a client that asks one thing after another on its own', async (t) => {
  const { address } = await serve(t, { backend: 'lmdb', dataDir: await temporaryDirectory(t), maxInFlight: 20 });
  const flooding = connect(t, address);
  const honest = connect(t, address);
  let refusals = 0;
  let done = false;
  const flood = async (lane: number): Promise<void> => {
    while (!done) {
      try {
        await flooding.update({ contextId: `flood:${lane}`, changes: { n: Math.random() }, allowMissing: true });
      } catch (error) {
        t.true(overloaded(refusal(error as Parameters<typeof refusal>[0])));
        refusals++;
      }
    }
  };
  const lanes = Promise.all(Array.from({ length: 60 }, (_, lane) => flood(lane)));
  for (let n = 1; n <= 20; n++) await honest.update({ contextId: 'a', changes: { n }, allowMissing: true });
  done = true;
  await lanes;
  t.true(refusals > 0);
  const { context } = await honest.get({ contextId: 'a' });
  t.is(context!.position!.version, 20);
});

test.serial('an event loop that is late time after time, and then no more', async (t) => {
  const { as, hold, letGo } = await serveLimited(t, { maxEventLoopDelay: 100 });
  const peer = as('a');
  const held = hold('slow', 1);
  const call = peer.set({ contextId: 'slow' });
  await held;
  const answer = (): Promise<'refused' | 'served'> =>
    peer.list({}).then(
      () => 'served',
      (error) => {
        t.true(overloaded(refusal(error)));
        return 'refused';
      },
    );
  const busy = setInterval(() => {
    const end = performance.now() + 300;
    while (performance.now() < end);
  }, 0);
  t.teardown(() => clearInterval(busy));
  await until(async () => (await answer()) === 'refused');
  clearInterval(busy);
  await until(async () => (await answer()) === 'served');
  letGo();
  await call;
  t.pass();
});

test.serial('without a limit of delay, a late event loop refuses nobody', async (t) => {
  const { as, hold, letGo } = await serveLimited(t, { maxEventLoopDelay: 0 });
  const peer = as('a');
  const held = hold('slow', 1);
  const call = peer.set({ contextId: 'slow' });
  await held;
  for (let turn = 0; turn < 5; turn++) {
    const end = performance.now() + 300;
    while (performance.now() < end);
    await peer.list({});
  }
  letGo();
  await call;
  t.pass();
});

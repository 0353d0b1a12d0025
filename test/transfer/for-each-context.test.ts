import { setImmediate as turn } from 'node:timers/promises';
import test from 'ava';
import { ChordError } from '../../src/model/errors.js';
import { forEachContext, type TransferProgress } from '../../src/transfer/for-each-context.js';

const IDS = Array.from({ length: 100 }, (_, i) => `id ${i}`);

function done(id: string) {
  return { id, position: { epoch: 'epoch001', version: 1, digest: 'digest01' }, deltas: 0, exportedAt: 0 };
}

async function all(progress: AsyncGenerator<TransferProgress>): Promise<TransferProgress[]> {
  const told: TransferProgress[] = [];
  for await (const each of progress) told.push(each);
  return told;
}

test('each one is done and told once, eight at a time', async (t) => {
  let [running, most] = [0, 0];
  const told = await all(
    forEachContext(IDS, async (id) => {
      most = Math.max(most, ++running);
      await turn();
      running--;
      return done(id);
    }),
  );
  t.is(most, 8);
  t.deepEqual(told[0], { total: 100, done: 0, failed: 0 });
  const ids = told.slice(1).map(({ last }) => last?.id as string);
  t.deepEqual(ids.sort(), IDS.toSorted());
  t.like(told.at(-1), { done: 100, failed: 0 });
});

test('what vanished is done; what failed is told with its reason', async (t) => {
  const told = await all(
    forEachContext(['gone', 'bad', 'good'], async (id) => {
      if (id === 'gone') throw new ChordError('NOT_FOUND', 'it was deleted meanwhile');
      if (id === 'bad') throw new ChordError('DATA_LOSS', 'half of it');
      return done(id);
    }),
  );
  t.like(told.at(-1), { total: 3, done: 3, failed: 1 });
  const failures = told.flatMap(({ last }) => (last && 'reason' in last ? last : []));
  t.deepEqual(failures, [{ id: 'bad', reason: 'DATA_LOSS', message: 'half of it' }]);
});

test('when the external store is away it ends soon; a failure now and then does not end it', async (t) => {
  let calls = 0;
  const away = new ChordError('UNAVAILABLE', 'away');
  const failing = all(
    forEachContext(IDS, async () => {
      calls++;
      throw away;
    }),
  );
  t.is(await t.throwsAsync(failing), away);
  t.true(calls < 30);
  const told = await all(
    forEachContext(IDS, async (id) => {
      if (Number(id.slice(3)) % 10 !== 0) throw away;
      return done(id);
    }),
  );
  t.like(told.at(-1), { done: 100, failed: 90 });
  await t.throwsAsync(all(forEachContext(IDS, () => Promise.reject(new TypeError('a defect')))), {
    instanceOf: TypeError,
  });
});

test('who stops reading stops the work', async (t) => {
  let calls = 0;
  const progress = forEachContext(IDS, async (id) => {
    calls++;
    await turn();
    return done(id);
  });
  for await (const { done } of progress) if (done === 5) break;
  const before = calls;
  t.true(before < 20);
  for (let i = 0; i < 20; i++) await turn();
  t.is(calls, before);
});

/** Batches on Redis: contexts that lie together, those that lie apart, several servers, and answers that are lost. */
import test, { type ExecutionContext } from 'ava';
import { range } from '../../../src/testing/commits.js';
import { add, audit, create, openAccounts, remove, TOTAL, total, trade } from '../../support/bank.js';
import { Reader, refused } from '../../support/chord.js';
import { serveMany } from './load.js';
import { REDIS_INSTALLED, RedisCluster, RedisServer } from './servers.js';

const FAILED_PRECONDITION = 9;

if (REDIS_INSTALLED) {
  const [server, cluster] = await Promise.all([RedisServer.start(), RedisCluster.start()]);
  test.after.always(() => Promise.all([server.destroy(), cluster.destroy()]));

  for (const [name, { url }] of Object.entries({ 'one Redis': server, 'a cluster': cluster })) {
    test.serial(`${name}: sums are never torn, through whatever server one writes and watches`, (t) => trading(t, url));
  }

  test.serial('contexts that lie apart are refused, and said which', async (t) => {
    const [node] = await serveMany(t, 1, server.url, 'apart:');
    const { peer } = node!;
    const writes = [create('{room}:a', 1), create('elsewhere', 1), create('{room}:b', 1), create('else', 1)];
    const refusal = await refused(peer.batch({ writes }));
    t.is(refusal.code, FAILED_PRECONDITION);
    t.deepEqual(refusal.fields, ['writes[1].set.context_id', 'writes[3].set.context_id']);
    t.regex(refusal.message, /these contexts are not in the partition of "\{room\}:a": "elsewhere", "else"; .*braces/);
    t.is((await peer.list({})).contexts.length, 0);
    await peer.batch({ writes: [writes[0]!, writes[2]!] });
    t.is((await peer.list({})).contexts.length, 2);
  });

  test.serial('a batch that names itself happens once, at whatever server it is repeated', async (t) => {
    const [a, b] = await serveMany(t, 2, server.url, 'repeat-batch:');
    await a!.peer.batch({ writes: [create('{t}a', 1), create('{t}b', 1), create('{t}c', 1)] });
    const batch = { writes: [add('{t}a', 1), remove('{t}b'), add('{t}c', 1)], requestId: 'r' };
    const answers = await Promise.all(range(20).map((i) => [a, b][i % 2]!.peer.batch(batch)));
    for (const answer of answers) t.deepEqual(answer, answers[0]);
    t.is((await b!.peer.document('{t}a')).balance, 2);
  });

  test.serial('a reader at another server gets a batch as one, deleted and created contexts too', async (t) => {
    const [a, b] = await serveMany(t, 2, server.url, 'watch-batch:');
    await a!.peer.batch({ writes: [create('{t}a', 1), create('{t}b', 1), create('{t}c', 1)] });
    const reader = new Reader(b!.peer, { prefix: '{t}' });
    t.teardown(() => reader.cancel());
    await reader.caughtUp();
    const moments: string[] = [];
    reader.onSettled = () =>
      moments.push(
        [...reader.copies]
          .map(([id, { value }]) => `${id}=${value.balance}`)
          .sort()
          .join(' '),
      );
    await a!.peer.batch({ writes: [add('{t}a', 1), remove('{t}b'), create('{t}d', 5)] });
    await reader.until(() => reader.copies.has('{t}d'));
    await a!.peer.batch({ writes: [add('{t}a', 1), add('{t}d', 1), remove('{t}c')] });
    await reader.until(() => !reader.copies.has('{t}c'));
    t.deepEqual(moments, ['{t}a=2 {t}c=1 {t}d=5', '{t}a=3 {t}d=6']);
  });
} else {
  test.skip('redis-server is not installed: batches on Redis were not tested', () => {});
}

async function trading(t: ExecutionContext, url: string): Promise<void> {
  const nodes = await serveMany(t, 2, url, 'bank:');
  await openAccounts(nodes[0]!.peer);
  const audits = await Promise.all(nodes.map(({ peer }) => audit(peer)));
  let left = 300;
  const trades = range(8).map((i) => trade(nodes[i % 2]!.peer, `${i}`, i + 1, () => left-- > 0));
  const late = await audit(nodes[1]!.peer);
  await Promise.all(trades);
  const { contexts } = await nodes[0]!.peer.list({ prefix: '{bank}:', pageSize: 1000 });
  for (const { reader, wrong, shown } of [...audits, late]) {
    for (const { contextId, position } of contexts) await reader.at(contextId, position);
    t.deepEqual(wrong, []);
    t.true(shown.moments > 1);
    reader.cancel();
  }
  for (const { peer } of nodes) t.is(await total(peer), TOTAL);
}

/**
 * Processes that are stopped (SIGSTOP) and continued: what was in flight goes on, watches miss nothing, and heartbeats vouch
 * for nothing that was written meanwhile and not sent. PROOF_STOPPED_SECONDS says how long a server is stopped.
 */
import { setTimeout as delay } from 'node:timers/promises';
import test from 'ava';
import { type Copy, connect, watch } from '../../support/chord.js';
import { again, count, Follower, workersOf } from './clients.js';
import { COLUMNS, FULL, place, start } from './places.js';

const SECONDS = Number(process.env.PROOF_STOPPED_SECONDS ?? 2);
const HEARTBEATS = { heartbeatInterval: { seconds: 1, nanos: 0 } };

for (const column of COLUMNS) {
  test(`a server that is stopped for ${SECONDS} s goes on, and vouches for nothing that it has not sent (${column.name})`, async (t) => {
    if (SECONDS > 10) t.timeout(180_000 + 2000 * SECONDS);
    const data = await place(t, column);
    const server = await start(t, column, data);
    t.teardown(() => server.send('SIGCONT'));
    // On Redis others write while this server is stopped.
    const other = data.redis ? await start(t, { ...column, workers: 0 }, data) : server;
    const answers: { readonly version: number; readonly at: number }[] = [];
    const onAnswer = ({ version }: { readonly version: number }) => void answers.push({ version, at: Date.now() });
    const newest = () => Math.max(0, ...answers.map(({ version }) => version));
    let vouched = 0;
    const stale: string[] = [];
    const check = (moment: number, copies: ReadonlyMap<string, Copy>) => {
      vouched = Math.max(vouched, moment);
      const has = copies.get('a')?.position.version ?? 0;
      const lacks = answers.find(({ version, at }) => at < moment && version > has);
      if (lacks)
        stale.push(`${lacks.version} was answered ${moment - lacks.at} ms before what is vouched for at ${has}`);
    };
    const follower = new Follower(connect(t, server.address), HEARTBEATS, check);
    t.teardown(() => follower.stop());
    const peers = [server, other].map(({ address }) => connect(t, address));
    await count(peers[0]!, 'a', 'before', 20, onAnswer);

    server.send('SIGSTOP');
    const writing = peers.map((peer, i) => count(peer, 'a', `meanwhile${i}`, 50, onAnswer));
    if (data.redis) await writing[1];
    await delay(1000 * SECONDS);
    server.send('SIGCONT');
    const continued = Date.now();
    await Promise.all(writing);
    await count(peers[0]!, 'a', 'after', 20, onAnswer);
    const { context } = await peers[1]!.get({ contextId: 'a' });
    t.deepEqual(context!.value, { before: 20, meanwhile0: 50, meanwhile1: 50, after: 20 });
    t.is(newest(), context!.position!.version);
    await follower.at('a', context!.position!);
    t.deepEqual(follower.reader.copies.get('a')!.value, context!.value);
    while (vouched <= continued) await new Promise((resolve) => follower.reader.call.once('data', resolve));
    t.deepEqual(stale, []);
    t.deepEqual(
      follower.log.filter((line) => /^(full (?!INITIAL|DELTA_LARGER)|deleted|absent)/.test(line)),
      [],
    );
  });

  if (column.workers === 0) continue;

  test(`a worker that is stopped holds up its own connections alone, which then go on (${column.name})`, async (t) => {
    const server = await start(t, column, await place(t, column));
    const peers = Array.from({ length: 6 }, () => connect(t, server.address));
    await peers[0]!.set({ contextId: 'a', value: {} });
    const readers = peers.map((peer) => watch(t, peer, { prefix: '' }));
    await Promise.all(readers.map((reader) => reader.caughtUp()));
    const [stopped] = workersOf(server.pid) as [number];
    process.kill(stopped, 'SIGSTOP');
    const found = peers.map((peer) => peer.document('a').then(() => peer));
    const live = await Promise.any(found);
    const text = 'x'.repeat(1000);
    for (let n = 1; n <= 100; n++) await live.update({ contextId: 'a', changes: { n, text: `${n} ${text}` } });
    process.kill(stopped, 'SIGCONT');
    await Promise.all(found);
    const { context } = await live.get({ contextId: 'a' });
    await Promise.all(readers.map((reader) => reader.at('a', context!.position)));
    for (const reader of readers) t.deepEqual(reader.copies.get('a')!.value, context!.value);
    t.is((await server.end('SIGTERM')).code, 0);
  });

  test(`workers that are killed under load: each write happens once, and watches go on (${column.name})`, async (t) => {
    const server = await start(t, column, await place(t, column));
    const peers = Array.from({ length: 6 }, () => connect(t, server.address));
    const followers = peers.map((peer) => new Follower(peer));
    t.teardown(() => Promise.all(followers.map((follower) => follower.stop())));
    const [times, kills] = FULL ? [2000, 20] : [100, 3];
    let answers = 0;
    const onAnswer = () => {
      if (++answers % Math.floor((6 * times) / (kills + 1)) === 0) process.kill(workersOf(server.pid)[0]!, 'SIGKILL');
    };
    await Promise.all(peers.map((peer, i) => count(peer, 'a', `w${i}`, times, onAnswer)));
    const { context } = await again(() => peers[0]!.get({ contextId: 'a' }));
    t.deepEqual(context!.value, Object.fromEntries(peers.map((_, i) => [`w${i}`, times])));
    t.is(context!.position!.version, 6 * times);
    for (const follower of followers) {
      await follower.at('a', context!.position!);
      t.deepEqual(follower.reader.copies.get('a')!.value, context!.value);
    }
    t.true(followers.some(({ resumed }) => resumed > 0));
  });
}

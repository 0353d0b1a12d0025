/** Ways to reach a Redis, and the reasons not to start on one. */
import { execFileSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import type { Reason } from '../../../src/model/errors.js';
import { openRedis } from '../../../src/store/redis/store.js';
import { parseRedisUrl } from '../../../src/store/redis/url.js';
import { commitOf, positionAt, range, write } from '../../../src/testing/commits.js';
import { until } from '../../support/until.js';
import { freePort, REDIS_INSTALLED, RedisCluster, RedisServer } from './servers.js';

test('URLs say where, who and how', (t) => {
  const at = (host: string, port: number) => ({ host, port });
  t.deepEqual(parseRedisUrl('redis://db'), { kind: 'any', addresses: [at('db', 6379)], options: {} });
  t.deepEqual(parseRedisUrl('rediss://me:p%40ss@[::1]:1/3'), {
    kind: 'any',
    addresses: [at('::1', 1)],
    options: { username: 'me', password: 'p@ss', db: 3, tls: {} },
  });
  const several = { kind: 'cluster', addresses: [at('a', 1), at('b', 2), at('c', 6379)], options: { password: 'p' } };
  t.deepEqual(parseRedisUrl('redis://:p@a:1,b:2,c'), several as never);
  t.deepEqual(parseRedisUrl('redis://:p@a:1,redis://:p@b:2,redis://:p@c'), several as never);
  t.is(parseRedisUrl('redis+cluster://a').kind, 'cluster');
  const sentinel = parseRedisUrl('redis+sentinel://me:p@a,b:2/1?name=main&sentinelPassword=s');
  t.deepEqual(sentinel.addresses, [at('a', 26_379), at('b', 2)]);
  t.like(sentinel.options, { name: 'main', username: 'me', password: 'p', db: 1, sentinelPassword: 's' });
});

test('URLs that say nothing sensible are refused without their password', (t) => {
  for (const url of [
    'http://:s3cret@a',
    'redis://:s3cret@a:99999',
    'redis://:s3cret@a:0',
    'redis://:s3cret@',
    'redis://:s3cret@a/x',
    'redis://:s3cret@a?x=1',
    'redis://:s3cret%@a',
    'redis+sentinel://:s3cret@a',
    'redis+sentinel://:s3cret@a?name=m&x=1',
    'redis://:s3cret@a,b/1',
  ]) {
    const error = t.throws(() => parseRedisUrl(url), undefined, url);
    t.like(error, { reason: 'FAILED_PRECONDITION' });
    t.notRegex(error!.message, /s3cret/);
  }
});

test.serial('where nobody listens, or nobody answers, the start fails in time', async (t) => {
  const silent = createServer(() => {}).listen(0, '127.0.0.1');
  await until(() => silent.listening);
  const { port } = silent.address() as { port: number };
  await refused(t, { url: `redis://127.0.0.1:${port}` }, 'UNAVAILABLE', /^Redis at 127\.0\.0\.1:\d+ is away/);
  silent.close();
  await refused(t, { url: 'redis://127.0.0.1:1' }, 'UNAVAILABLE', /ECONNREFUSED/);
});

if (REDIS_INSTALLED) {
  test.serial('an evicting policy is refused', async (t) => {
    const { server, url } = await setUp(t);
    for (const policy of ['allkeys-lru', 'volatile-ttl']) {
      await server.admin.config('SET', 'maxmemory-policy', policy);
      await refused(t, { url }, 'FAILED_PRECONDITION', new RegExp(`maxmemory-policy is ${policy}`));
    }
  });

  test.serial('an old server is refused', async (t) => {
    // No such server is at hand: one that answers as it would.
    const info = 'redis_version:6.2.14\r\nmaxmemory_policy:noeviction\r\n';
    const old = createServer((socket) => {
      const answer = `$${info.length}\r\n${info}\r\n`;
      socket.on('data', (commands) => socket.write(answer.repeat(String(commands).match(/\*\d+\r\n/g)?.length ?? 0)));
      socket.on('error', () => {});
    }).listen(0, '127.0.0.1');
    t.teardown(() => old.close());
    await until(() => old.listening);
    const url = `redis://127.0.0.1:${(old.address() as { port: number }).port}`;
    await refused(t, { url }, 'FAILED_PRECONDITION', /has version 6\.2\.14; Chord needs 7 or later/);
  });

  test("what is not Chord's, or a newer Chord's, is refused and left alone", async (t) => {
    const { server, url } = await setUp(t);
    const newer = JSON.stringify({ name: 'chord', version: 3, partitions: 256 });
    for (const [value, message] of [
      ['something', /not Chord's/],
      ['{"name":"other"}', /not Chord's/],
      [newer, /a newer Chord \(format 3/],
    ] as const) {
      await server.admin.set('chord:format', value);
      await refused(t, { url }, 'FAILED_PRECONDITION', message);
      t.is(await server.admin.get('chord:format'), value);
      await (await openRedis({ url, prefix: 'mine:' })).close();
    }
    await server.admin.del('chord:format');
    await server.admin.lpush('chord:format', 'x');
    await refused(t, { url }, 'FAILED_PRECONDITION', /not Chord's/);
    await refused(t, { url, prefix: 'a{b}' }, 'FAILED_PRECONDITION', /braces/);
  });

  test.serial('what began with format 1 stays where it is, and new contexts go where its servers look', async (t) => {
    const { server, url } = await setUp(t);
    await server.admin.set('chord:format', JSON.stringify({ name: 'chord', version: 1, partitions: 256 }));
    const old = await openRedis({ url });
    const fresh = await openRedis({ url, prefix: 'fresh:' });
    const ids = range(8).map((i) => `{room}:${i}`);
    for (const store of [old, fresh]) for (const id of ids) await write(store, id, 1);
    const tags = async (prefix: string) => {
      const keys = await server.admin.keys(`${prefix}:*:c:*`);
      return new Set(keys.map((key) => key.split(':')[1])).size;
    };
    t.is(await tags('fresh'), 1);
    // Where CRC-32 of the whole ids puts them, as ever.
    t.is(await tags('chord'), new Set(ids.map((id) => crc32(id) % 256)).size);
    t.deepEqual(fresh.cluster!.apart(ids), []);
    t.true((old.cluster!.apart(ids).length ?? 0) > 0);
    await Promise.all([old.close(), fresh.close()]);
    const again = await openRedis({ url });
    for (const id of ids) t.is((await again.head(id))?.position.version, 1);
    await again.close();
    t.is(JSON.parse((await server.admin.get('chord:format')) ?? '').version, 1);
    t.is(JSON.parse((await server.admin.get('fresh:format')) ?? '').version, 2);
  });

  test.serial('where Redis would refuse a part of a group, nothing of it happens', async (t) => {
    const { server, url } = await setUp(t);
    const store = await openRedis({ url });
    t.teardown(() => store.close());
    for (const id of ['a{t}', 'b{t}']) await write(store, id, 2);
    const log = (await server.admin.keys('*:l:b{t}'))[0] as string;
    await server.admin.xadd(log, '7-0', 'n', 'x');
    const group = ['a{t}', 'b{t}'].map((id) => commitOf(id, positionAt(2)));
    t.like(await t.throwsAsync(store.commitBatch!(group)), { reason: 'DATA_LOSS' });
    t.is((await store.load('a{t}'))?.records.length, 2);
    await server.admin.del(log);
    await server.admin.set(log, 'x');
    t.like(await t.throwsAsync(store.commitBatch!(group)), { reason: 'DATA_LOSS' });
    t.is((await store.load('a{t}'))?.records.length, 2);
  });

  test.serial('user and password, a database of its own', async (t) => {
    const { server, url } = await setUp(t);
    await server.admin.call('ACL', 'SETUSER', 'chord', 'on', '>s3cret', '~mine:*', '&mine:*', '+@all');
    const mine = `redis://chord:s3cret@127.0.0.1:${server.port}/3`;
    const store = await openRedis({ url: mine, prefix: 'mine:' });
    await write(store, 'a', 3);
    await store.close();
    const elsewhere = await openRedis({ url, prefix: 'mine:' });
    t.is(await elsewhere.load('a'), null);
    await elsewhere.close();
    await refused(t, { url: mine.replace('s3cret', 'wrong') }, 'UNAVAILABLE', /WRONGPASS/);
  });

  test.serial('a record that is not what was written is DATA_LOSS', async (t) => {
    const { server, url } = await setUp(t);
    const store = await openRedis({ url });
    t.teardown(() => store.close());
    for (const id of ['hole', 'cut', 'type']) await write(store, id, 5);
    const keys = async (pattern: string) => (await server.admin.keys(pattern))[0] as string;
    await server.admin.xdel(await keys('*:l:hole'), '3-0');
    await server.admin.hset(await keys('*:c:cut'), 'head', 'xyz');
    const typed = await keys('*:l:type');
    await server.admin.del(typed);
    await server.admin.set(typed, 'x');
    for (const id of ['hole', 'cut', 'type']) {
      t.like(await t.throwsAsync(store.load(id)), { reason: 'DATA_LOSS' }, id);
    }
    t.deepEqual(await store.deltas('hole', 0, 10), { kind: 'truncated', oldest: 4 });
  });

  test.serial('a cluster that is down is refused, and so is a lone server called a cluster', async (t) => {
    const { url } = await setUp(t);
    await refused(t, { url: url.replace('redis:', 'redis+cluster:') }, 'FAILED_PRECONDITION', /is not a cluster node/);
    const down = await RedisServer.start(['--cluster-enabled', 'yes', '--cluster-port', String(await freePort())]);
    t.teardown(() => down.destroy());
    await refused(t, { url: down.url }, 'FAILED_PRECONDITION', /is down: 0 of 16384 slots are served/);
  });

  test.serial('any one node of a cluster is enough to find the others', async (t) => {
    const cluster = await RedisCluster.start();
    t.teardown(() => cluster.destroy());
    const [first, second] = await Promise.all(cluster.nodes.slice(1).map(({ url }) => openRedis({ url })));
    const dead = await openRedis({ url: `redis://127.0.0.1:1,127.0.0.1:${cluster.nodes[0]!.port}` });
    await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((id) => first!.commit(commitOf(id, null))));
    for (const store of [second!, dead]) t.is((await store.list('', undefined, 10)).heads.length, 6);
    await Promise.all([first!, second!, dead].map((store) => store.close()));
  });

  test.serial('sentinels name the master, also after a failover', async (t) => {
    const { server } = await setUp(t);
    const replica = await RedisServer.start(['--replicaof', `127.0.0.1 ${server.port}`]);
    t.teardown(() => replica.destroy());
    await until(async () => (await server.admin.wait(1, 100)) === 1);
    const file = join(server.directory, 'sentinel.conf');
    await writeFile(
      file,
      `sentinel monitor main 127.0.0.1 ${server.port} 1\nsentinel down-after-milliseconds main 500\n`,
    );
    const sentinel = await RedisServer.start([], file);
    t.teardown(() => sentinel.destroy());
    await until(async () => String(await sentinel.admin.call('SENTINEL', 'REPLICAS', 'main')).includes('ok'));
    const store = await openRedis({ url: `redis+sentinel://127.0.0.1:${sentinel.port}?name=main` });
    t.teardown(() => store.close());
    await write(store, 'a', 3);
    await until(async () => (await server.admin.wait(1, 100)) === 1);
    await sentinel.admin.call('SENTINEL', 'FAILOVER', 'main').catch(() => server.end());
    await until(async () => (await replica.admin.role())[0] === 'master', 'the failover');
    await until(() =>
      write(store, 'b', 1).then(
        () => true,
        () => false,
      ),
    );
    t.is((await store.head('a'))?.position.version, 3);
    t.truthy(await replica.admin.keys('*:c:b'));
  });

  test.serial('TLS', async (t): Promise<void> => {
    const { server } = await setUp(t);
    const [key, cert] = ['key.pem', 'cert.pem'].map((name) => join(server.directory, name)) as [string, string];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
    try {
      const request = ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1'];
      execFileSync('openssl', [...request, '-keyout', key, '-out', cert, ...subject], { stdio: 'ignore' });
    } catch {
      t.log('skipped: openssl is not installed');
      t.pass();
      return;
    }
    const port = await freePort();
    const files = ['--tls-cert-file', cert, '--tls-key-file', key, '--tls-ca-cert-file', cert];
    const secure = await RedisServer.start(['--tls-port', String(port), '--tls-auth-clients', 'no', ...files]);
    t.teardown(() => secure.destroy());
    await refused(t, { url: `rediss://127.0.0.1:${port}` }, 'UNAVAILABLE', /self-signed/);
    const script = `
      import { openRedis } from '${new URL('../../../src/store/redis/store.ts', import.meta.url)}';
      const store = await openRedis({ url: 'rediss://127.0.0.1:${port}' });
      console.log(await store.head('a'));
      await store.close();`;
    const env = { ...process.env, NODE_EXTRA_CA_CERTS: cert };
    const args = ['--import=tsx', '--input-type=module', '--eval', script];
    t.is(execFileSync(process.execPath, args, { env, encoding: 'utf8' }).trim(), 'null');
  });
} else {
  test.skip('redis-server is not installed: starting on Redis was not tested', () => {});
}

async function setUp(t: ExecutionContext): Promise<{ server: RedisServer; url: string }> {
  const server = await RedisServer.start();
  t.teardown(() => server.destroy());
  return { server, url: server.url };
}

async function refused(
  t: ExecutionContext,
  options: Parameters<typeof openRedis>[0],
  reason: Reason,
  message: RegExp,
): Promise<void> {
  const error = await t.throwsAsync(openRedis({ timeout: 500, ...options }), { message });
  t.like(error, { reason });
}

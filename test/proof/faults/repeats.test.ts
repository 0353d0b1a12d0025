/** Repeats of what changed nothing, over the end of the server that answered first. */
import test, { type ExecutionContext } from 'ava';
import { type Engine, openChord } from '../../../src/server/app.js';
import { temporaryDirectory } from '../../store/lmdb/directories.js';
import { REDIS_INSTALLED, RedisServer } from '../../store/redis/servers.js';

type Settings = Parameters<typeof openChord>[0];

async function open(t: ExecutionContext, settings: Settings): Promise<Engine> {
  const chord = await openChord(settings);
  t.teardown(() => chord.close());
  return chord;
}

async function checkRepeat(t: ExecutionContext, settings: Settings): Promise<void> {
  const remove = { requestId: 'r', allowMissing: true };
  const first = await open(t, settings);
  t.like(await first.contexts.delete('a', remove), { changed: false, position: undefined });
  await first.close();

  const second = await open(t, settings);
  const { position } = await second.contexts.set('a', { made: 'since' });
  await second.close();

  const third = await open(t, settings);
  const repeated = await third.contexts.delete('a', remove);
  t.deepEqual([repeated.changed, repeated.position], [false, undefined], 'the repeat answers what the first did');
  t.deepEqual((await third.contexts.get('a')).head.position, position);
  await t.throwsAsync(
    third.contexts.delete('a', { requestId: 'r' }),
    { message: /request/ },
    'and no other request does',
  );
  const named = await third.contexts.delete('a', { requestId: 's', allowMissing: true });
  t.true(named.changed);
  await third.close();

  const fourth = await open(t, settings);
  t.deepEqual((await fourth.contexts.delete('a', { requestId: 's', allowMissing: true })).position, named.position);
  await fourth.close();
}

test('LMDB: a delete of a missing context is remembered over a restart', async (t) => {
  await checkRepeat(t, { dataDir: await temporaryDirectory(t), minFreeBytes: 0 });
});

if (REDIS_INSTALLED) {
  test('Redis: a delete of a missing context is remembered over a restart of Chord and of Redis', async (t) => {
    const server = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
    t.teardown(() => server.destroy());
    const settings = { backend: 'redis', redisUrl: server.url } as const;
    await checkRepeat(t, settings);
    const before = await open(t, settings);
    t.false((await before.contexts.delete('b', { requestId: 'r', allowMissing: true })).changed);
    await before.contexts.set('b', {});
    await before.close();
    await server.end('SIGKILL');
    await server.start();
    const after = await open(t, settings);
    t.false((await after.contexts.delete('b', { requestId: 'r', allowMissing: true })).changed);
    t.truthy(await after.contexts.get('b'));
    await after.close();
  });
}

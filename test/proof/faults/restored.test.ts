/** An older backup is served while clients hold newer positions: each of them gets the document, with the reason. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { temporaryDirectory } from '../../store/lmdb/directories.js';
import { type Copy, connect, Reader } from '../../support/chord.js';
import { chord, type Server } from '../../support/cli.js';
import { COLUMNS, onRedis, type Place, place, start } from './places.js';

/** Keeps what is there now; the function returned gives a place with that, once the server has ended. */
async function backUp(t: ExecutionContext, { redis }: Place, { address }: Server): Promise<() => Promise<Place>> {
  const directory = await temporaryDirectory(t);
  const kept = join(directory, 'backup');
  if (!redis) {
    t.like(await chord(['backup', '--address', address, kept]), { code: 0 });
    return async () => ({ args: ['--data-dir', kept, '--min-free-bytes', '0'], redis });
  }
  const log = join(redis.directory, 'appendonlydir', 'appendonly.aof.1.incr.aof');
  await copyFile(log, kept);
  return async () => {
    await redis.end('SIGKILL');
    await copyFile(kept, log);
    await redis.start();
    return { args: onRedis(redis), redis };
  };
}

for (const column of COLUMNS) {
  test(`after an older backup was restored nobody is left with what is not there (${column.name})`, async (t) => {
    const data = await place(t, column);
    const first = await start(t, column, data);
    const peer = connect(t, first.address);
    for (const contextId of ['ahead', 'reborn', 'same', 'diverged']) {
      await peer.set({ contextId, value: { contextId, n: 1 } });
    }
    const restore = await backUp(t, data, first);
    for (let n = 2; n < 6; n++) await peer.update({ contextId: 'ahead', changes: { n } });
    await peer.update({ contextId: 'diverged', changes: { n: 2 } });
    await peer.delete({ contextId: 'reborn' });
    await peer.set({ contextId: 'reborn', value: { n: 2 } });
    const { position } = await peer.set({ contextId: 'new', value: {} });
    const before = new Reader(peer, { prefix: '' });
    await before.caughtUp();
    t.is(before.copies.size, 5);
    t.is((await first.end('SIGTERM')).code, 0);

    const second = await start(t, column, await restore());
    const other = connect(t, second.address);
    await other.update({ contextId: 'diverged', changes: { other: 2 } });
    const resumed = Reader.resume(other, { prefix: '' }, before.copies);
    await resumed.caughtUp();
    const told = resumed.log.filter((line) => line !== 'heartbeat');
    t.deepEqual(told.toSorted(), [
      'absent new',
      'caughtUp',
      'full AHEAD ahead',
      'full DIVERGED diverged',
      'full EPOCH_CHANGED reborn',
    ]);
    for (const [id, { value }] of resumed.copies) t.deepEqual(value, await other.document(id), id);
    t.deepEqual(resumed.copies.get('same'), before.copies.get('same') as Copy);
    const { result } = await other.sync({ contextId: 'ahead', known: before.copies.get('ahead')!.position });
    t.is(result?.$case === 'full' && result.value.reason, 3, 'AHEAD');
    // A write that expects what was lost is refused.
    const lost = { condition: { $case: 'position' as const, value: position! }, checks: [] };
    await t.throwsAsync(other.set({ contextId: 'new', value: {}, expected: lost }), { message: /ABORTED|position/ });
    const next = await other.set({ contextId: 'new', value: { again: true } });
    await resumed.at('new', next.position);
    resumed.cancel();
  });
}

/** A disk that takes its time: syncs, and the writes that make a transaction durable, wait until the test lets them go. */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { temporaryDirectory } from '../../store/lmdb/directories.js';
import { compileFaults } from '../../store/lmdb/failing-disk.js';
import { connect, watch } from '../../support/chord.js';
import { until } from '../../support/until.js';
import { COLUMNS, place, start } from './places.js';

for (const column of COLUMNS.filter(({ store }) => store === 'lmdb')) {
  test(`on a slow disk nothing is answered before it is durable, and what does not concern it goes on (${column.name})`, async (t) => {
    const directory = await temporaryDirectory(t);
    const library = compileFaults(t, directory);
    if (library === null) {
      t.pass();
      return;
    }
    const [trigger, log] = [join(directory, 'trigger'), join(directory, 'log')];
    const env = { LD_PRELOAD: library, FAULT_TRIGGER: trigger, FAULT_LOG: log };
    const data = await place(t, column);
    const server = await start(t, column, data, { env });
    t.teardown(() => rm(trigger, { force: true }));
    const peer = connect(t, server.address);
    await peer.set({ contextId: 'a', value: { n: 1 } });
    await peer.set({ contextId: 'other', value: { n: 1 } });
    const reader = watch(t, peer, { prefix: '' });
    await reader.caughtUp();
    const waiting = async () => (await readFile(log, 'utf8')).split('\n').filter((line) => line === 'slow').length;

    await writeFile(trigger, 'slow');
    let answered = 0;
    const write = (i: number) => peer.update({ contextId: `${i % 2 ? 'a' : 'b'}`, changes: { i }, allowMissing: true });
    const writes = Array.from({ length: 200 }, (_, i) => write(i).finally(() => answered++));
    await until(async () => (await waiting()) > 0, 'a commit to wait for the disk');
    // A read of what is being written waits for it, and finds it.
    const read = peer.document('a').finally(() => answered++);
    for (let i = 0; i < 20; i++) t.deepEqual(await peer.document('other'), { n: 1 });
    t.deepEqual([answered, reader.copies.get('a')!.value], [0, { n: 1 }]);
    t.is(await waiting(), 1, 'all others wait for one commit');
    await rm(trigger);
    const positions = (await Promise.all(writes)).map(({ position }) => position!);
    await Promise.all([reader.at('a', positions.at(-1)), reader.at('b', positions.at(-2))]);
    t.true(((await read).i as number) > 0);
    t.deepEqual((await peer.document('a')).i, 199);

    // A stop waits for the disk, too.
    await writeFile(trigger, 'slow');
    const late = peer.set({ contextId: 'late', value: {} }).then(
      () => true,
      () => false,
    );
    await until(async () => (await waiting()) > 1, 'the last commit to wait for the disk');
    server.send('SIGTERM');
    await reader.until(() => reader.log.includes('closing'));
    await rm(trigger);
    t.is((await server.end()).code, 0);
    const again = connect(t, (await start(t, column, data)).address);
    t.deepEqual([await again.document('late'), (await again.document('a')).i], [{}, 199]);
    t.log(`the write at the stop was ${(await late) ? '' : 'not '}answered`);
  });
}

/** Many watches that lose their server in one moment, and all come back at once. */
import test from 'ava';
import { connect, type Peer, Reader } from '../../support/chord.js';
import { COLUMNS, FULL, place, start } from './places.js';

const WATCHERS = FULL ? 5000 : 200;
const STREAMS = 50;
const CONTEXTS = 10;
const REFUSED = new Set([8, 14]);

for (const column of COLUMNS) {
  test(`${WATCHERS} watches that reconnect at once get what they lack, and no more (${column.name})`, async (t) => {
    if (FULL) t.timeout(600_000);
    const data = await place(t, column);
    const first = await start(t, column, data);
    const { address } = first;
    const writer = connect(t, address);
    for (let i = 0; i < CONTEXTS; i++) await writer.set({ contextId: `c${i}`, value: { i, text: 'x'.repeat(200) } });
    const peers = Array.from({ length: WATCHERS / STREAMS }, () => connect(t, address));
    const peerOf = (i: number): Peer => peers[i % peers.length]!;
    const readers = Array.from({ length: WATCHERS }, (_, i) => new Reader(peerOf(i), { prefix: '' }));
    await Promise.all(readers.map((reader) => reader.caughtUp()));
    await first.end('SIGKILL');
    await Promise.all(readers.map((reader) => reader.end()));

    await start(t, column, data, { args: ['--listen', address] });
    const other = connect(t, address);
    const { position } = await other.update({ contextId: 'c3', changes: { n: 1 } });
    let back = 0;
    let served = 0;
    const resume = async (before: Reader, i: number): Promise<void> => {
      for (;;) {
        const reader = Reader.resume(peerOf(i), { prefix: '' }, before.copies);
        try {
          await reader.caughtUp();
          const told = reader.log.filter((line) => line !== 'heartbeat');
          t.deepEqual(told, ['delta c3 1-2', 'caughtUp']);
          t.deepEqual(reader.copies.get('c3')!.position, position);
          back++;
          reader.cancel();
          return;
        } catch (error) {
          if (!REFUSED.has((error as { code?: number }).code ?? 0)) throw error;
        }
      }
    };
    const resuming = Promise.all(readers.map(resume));
    while (back < WATCHERS) {
      t.is((await other.document('c3')).n, 1);
      served++;
    }
    await resuming;
    t.log(`${served} reads were answered meanwhile`);
  });
}

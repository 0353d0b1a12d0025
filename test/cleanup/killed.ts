/**
 * A process that writes and sweeps on the data directory named on its command line, and says what was acknowledged:
 * `ID VERSION` after each write, `swept` after each sweep. It goes on until it is killed.
 */
import { openChord } from '../../src/server/app.js';

let now = Number(process.argv[3]);
const chord = await openChord({
  dataDir: process.argv[2]!,
  clock: () => now,
  cleanupInterval: 0,
  deltaThreshold: 3,
  deltaTtl: 5_000,
  minFreeBytes: 0,
});
const tell = (line: string) => new Promise<void>((resolve) => process.stdout.write(`${line}\n`, () => resolve()));

for (let round = 0; ; round++) {
  await Promise.all(
    Array.from({ length: 40 }, async (_, i) => {
      const id = `c${i % 8}`;
      // Some deltas are large, so that snapshots come at different times.
      const changes = { [`k${i % 5}`]: 'x'.repeat((i * round) % 700) };
      const mutations = [{ kind: 'increment' as const, path: ['n'], by: 1 }];
      const { position } = await chord.contexts.update(id, { changes, mutations }, { allowMissing: true });
      await tell(`${id} ${position?.version}`);
    }),
  );
  now += 1_000;
  await chord.cleanup.run();
  await tell('swept');
}

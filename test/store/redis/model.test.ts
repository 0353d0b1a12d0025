/** The model test of test/model, with a Redis underneath. */
import test from 'ava';
import fc from 'fast-check';
import { commands } from '../../random-model/commands.js';
import { System } from '../../random-model/system.js';
import { openPatiently, REDIS_INSTALLED, RedisCluster, RedisServer } from './servers.js';

const RUNS = 60;

if (REDIS_INSTALLED) {
  const [server, cluster] = await Promise.all([RedisServer.start(), RedisCluster.start()]);
  test.after.always(() => Promise.all([server.destroy(), cluster.destroy()]));

  for (const [name, { url }] of Object.entries({ 'one Redis': server, 'a cluster': cluster })) {
    test.serial(`${name}: whatever is asked in whatever order, Chord does what the model does`, async (t) => {
      const settings = fc.record({
        cacheBytes: fc.constantFrom(0, 4000, 100_000_000),
        deltaThreshold: fc.constantFrom(1, 3, 100),
      });
      let count = 0;
      const property = fc.asyncProperty(
        settings,
        fc.commands(commands, { maxCommands: 80, size: 'max' }),
        async (chosen, list) => {
          const prefix = `model${++count}:`;
          const system = await System.open(chosen, async (old) => {
            await old?.close();
            return openPatiently({ url, prefix });
          });
          const together = system.write.bind(system);
          // Beside other servers a refusal is looked at twice, so writes at once may change places.
          system.write = async (writes) => {
            for (const write of writes) await together([write]);
          };
          try {
            await fc.asyncModelRun(() => ({ model: {}, real: system }), list);
            await system.finish();
          } finally {
            await system.close();
          }
        },
      );
      await fc.assert(property, { numRuns: RUNS, includeErrorInReport: true });
      t.pass();
    });
  }
} else {
  test.skip('redis-server is not installed: the model test did not run on Redis', () => {});
}

/**
 * The kill harness: `npx tsx test/proof/kills/main.ts --store lmdb --kills 100 --seed 1`, or `--minutes 10`. It needs dist/.
 * The moments of a kill are those of real processes: a seed gives the same kinds of kills, not the same history.
 */
import { parseArgs } from 'node:util';
import { Harness } from './harness.js';
import { lmdb, redis } from './places.js';

const { values } = parseArgs({
  options: {
    store: { type: 'string', default: 'lmdb' },
    kills: { type: 'string' },
    minutes: { type: 'string' },
    seed: { type: 'string', default: '1' },
  },
});
const began = Date.now();
const kills = values.kills ? Number(values.kills) : values.minutes ? Number.POSITIVE_INFINITY : 20;
const until = values.minutes ? began + 60_000 * Number(values.minutes) : Number.POSITIVE_INFINITY;
const harness = new Harness(values.store === 'redis' ? await redis() : await lmdb(), Number(values.seed));
let failed = 0;
let saidAt = began;
try {
  for (let round = 0; round < kills && Date.now() < until; round++) {
    await harness.round(round);
    if (Date.now() - saidAt > 30_000) {
      saidAt = Date.now();
      console.log(JSON.stringify(harness.total));
    }
  }
} catch (error) {
  failed = 1;
  console.log(`fails: ${(error as Error).stack}`);
}
await harness.close();
const seconds = Math.round((Date.now() - began) / 1000);
console.log(JSON.stringify({ store: values.store, ...harness.total, failed, seconds }));
process.exit(failed);

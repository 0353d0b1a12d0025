/** A few hundred simulated histories with every change; `make prove` runs them by the hour. */
import test from 'ava';
import { simulate } from './world.js';

const SEEDS = Number(process.env.SIMULATOR_SEEDS ?? 200);
const FIRST = Number(process.env.SIMULATOR_FIRST ?? 1);

// The first test: all histories before a second run may leave something behind in the process.
test.serial('a seed is a history: a second run is the same, step by step', async (t) => {
  const run = async (seed: number) => {
    const lines: string[] = [];
    return { told: await simulate(seed, (line) => lines.push(line)), lines };
  };
  const seeds = Array.from({ length: 40 }, (_, i) => 1 + i);
  const first: unknown[] = [];
  for (const seed of seeds) first.push(await run(seed));
  for (const seed of seeds.slice(0, 8)) t.deepEqual(await run(seed), first[seed - 1], `seed ${seed}`);
});

test.serial('in every simulated history Chord keeps its promises', async (t) => {
  t.timeout(600_000);
  const total = { steps: 0, calls: 0, deliveries: 0, kills: 0 };
  for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
    const told = await simulate(seed).catch((error) => {
      throw new Error(`npx tsx test/proof/simulator/main.ts --seed ${seed}`, { cause: error });
    });
    for (const name of ['steps', 'calls', 'deliveries', 'kills'] as const) total[name] += told[name];
  }
  t.log(`${SEEDS} seeds from ${FIRST}: ${JSON.stringify(total)}`);
  t.true(total.calls > 20 * SEEDS && total.deliveries > 50 * SEEDS && total.kills > SEEDS);
});

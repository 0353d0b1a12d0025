/** A few hundred simulated histories with every change; `make prove` runs them by the hour. */
import test from 'ava';
import { simulate } from './world.js';

const SEEDS = Number(process.env.SIMULATOR_SEEDS ?? 200);
const FIRST = Number(process.env.SIMULATOR_FIRST ?? 1);

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

test.serial('a seed is a history: a second run is the same, step by step', async (t) => {
  for (const seed of [3, 4, 5, 6]) {
    const [first, second]: [string[], string[]] = [[], []];
    const told = await simulate(seed, (line) => first.push(line));
    t.deepEqual(await simulate(seed, (line) => second.push(line)), told);
    t.deepEqual(second, first);
  }
});

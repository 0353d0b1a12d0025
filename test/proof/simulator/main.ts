/**
 * Runs simulated histories: `npx tsx test/proof/simulator/main.ts --seeds 1000 --first 1`, or `--minutes 10`. One seed alone
 * (`--seed 7`) is told line by line. Ends with 1 where a seed failed.
 */
import { parseArgs } from 'node:util';
import { simulate } from './world.js';

const { values } = parseArgs({
  options: {
    seeds: { type: 'string' },
    first: { type: 'string', default: '1' },
    seed: { type: 'string' },
    minutes: { type: 'string' },
    'go-on': { type: 'boolean', default: false },
  },
});
const began = Date.now();
const total = { histories: 0, steps: 0, calls: 0, deliveries: 0, kills: 0, failed: 0 };

async function one(seed: number, tell?: (line: string) => void): Promise<boolean> {
  try {
    const told = await simulate(seed, tell);
    total.histories++;
    for (const name of ['steps', 'calls', 'deliveries', 'kills'] as const) total[name] += told[name];
    return true;
  } catch (error) {
    total.failed++;
    console.log(
      `seed ${seed} fails: ${(error as Error).stack}\nreplay: npx tsx test/proof/simulator/main.ts --seed ${seed}`,
    );
    return false;
  }
}

if (values.seed) await one(Number(values.seed), (line) => console.log(line));
else {
  const first = Number(values.first);
  const count = values.seeds ? Number(values.seeds) : values.minutes ? Number.POSITIVE_INFINITY : 1000;
  const until = values.minutes ? began + 60_000 * Number(values.minutes) : Number.POSITIVE_INFINITY;
  let saidAt = began;
  for (let i = 0; i < count && Date.now() < until; i++) {
    if (!(await one(first + i)) && !values['go-on']) break;
    if (Date.now() - saidAt > 30_000) {
      saidAt = Date.now();
      console.log(`${total.histories} histories, at seed ${first + i}`);
    }
  }
}
console.log(JSON.stringify({ ...total, seconds: Math.round((Date.now() - began) / 1000) }));
process.exit(total.failed === 0 ? 0 : 1);

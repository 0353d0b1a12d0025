/** Mutated requests and records, and for a third of the time mutated frames of HTTP/2: `npx tsx test/proof/fuzz/main.ts --requests 5000 --seed 1`, or `--minutes 5`. */
import { parseArgs } from 'node:util';
import { Random } from '../random.js';
import { fuzzFrames } from './frames.js';
import { fuzz } from './run.js';

const { values } = parseArgs({
  options: { requests: { type: 'string' }, minutes: { type: 'string' }, seed: { type: 'string', default: '1' } },
});
const began = Date.now();
const count = values.requests ? Number(values.requests) : values.minutes ? Number.POSITIVE_INFINITY : 5000;
const until = values.minutes ? began + 60_000 * Number(values.minutes) : Number.POSITIVE_INFINITY;
const framesUntil = began + (until - began) / 3;
try {
  const seed = Number(values.seed);
  const frames = await fuzzFrames(
    new Random(seed),
    ({ connections }) => connections >= count / 5 || Date.now() >= framesUntil,
  );
  const told = await fuzz(seed, ({ requests }) => requests >= count || Date.now() >= until);
  console.log(JSON.stringify({ ...told, frames, failed: 0, seconds: Math.round((Date.now() - began) / 1000) }));
} catch (error) {
  console.log(`fails: ${(error as Error).stack}`);
  process.exit(1);
}

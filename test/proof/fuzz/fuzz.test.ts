/** Some mutated requests with every change; `make prove` sends them by the minute. */
import test from 'ava';
import { Random } from '../random.js';
import { fuzzFrames } from './frames.js';
import { SEEDS } from './requests.js';
import { fuzz } from './run.js';
import { encode, mutate, parse } from './wire.js';

test('requests are parsed to trees that encode to the same bytes, and mutations are other bytes', (t) => {
  for (const { method, bytes } of SEEDS) t.deepEqual(encode(parse(bytes)!), bytes, method.path);
  const random = new Random(1);
  const { bytes } = SEEDS[0]!;
  const made = new Set(Array.from({ length: 200 }, () => mutate(random, bytes).toString('hex')));
  t.true(made.size > 150);
});

test('mutated requests are answered, or refused with a reason and the name of a field', async (t) => {
  const told = await fuzz(1, ({ requests }) => requests >= 1500);
  t.log(told);
  t.true(told.corpus > 30 && told.records > 500);
});

if (process.platform === 'linux') {
  test('mutated frames of HTTP/2 close their own connections at most: another caller is served', async (t) => {
    const sent = await fuzzFrames(new Random(1), ({ connections }) => connections >= 100);
    t.log(sent);
    t.true(sent.frames > 1000);
  });
}

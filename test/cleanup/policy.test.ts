import test from 'ava';
import { deltasIn, dueUpTo, type Found, plan, type RetentionRules } from '../../src/cleanup/policy.js';
import type { Expiry } from '../../src/model/model.js';

const RULES: RetentionRules = { contextAutoDelete: true, contextTtl: 100, deltaTtl: 50, deltaThreshold: 10 };
const NOW = 1_000;

function found(parts: {
  version?: number;
  oldest?: number;
  outdated?: number;
  updatedAt?: number;
  touchedAt?: number;
  expiry?: Expiry;
}): Found {
  const { version = 5, oldest = 1, outdated = 0, updatedAt = NOW, touchedAt, expiry } = parts;
  const position = { epoch: 'e', version, digest: 'd' };
  const head = {
    position,
    createdAt: 0,
    updatedAt,
    weight: 1,
    ...(touchedAt && { touchedAt }),
    ...(expiry && { expiry }),
  };
  return { head, oldest, outdated };
}

const KEEP = { kind: 'keep' } as const;
const EXPIRED = { kind: 'remove', reason: 'expired' } as const;
const IDLE = { kind: 'remove', reason: 'idle' } as const;
const trim = (upTo: number) => ({ kind: 'trim', upTo }) as const;

for (const [what, parts, rules, expected] of [
  ['in use', {}, {}, KEEP],
  ['idle for just less than the limit', { updatedAt: 901 }, {}, KEEP],
  ['idle for the limit', { updatedAt: 900 }, {}, IDLE],
  ['touched since', { updatedAt: 1, touchedAt: 901 }, {}, KEEP],
  ['touched before it was written to, by a clock that was set back', { updatedAt: 901, touchedAt: 1 }, {}, KEEP],
  ['idle, and auto delete is off', { updatedAt: 1 }, { contextAutoDelete: false }, KEEP],
  ['idle, with a time to live of its own', { updatedAt: 1, expiry: { at: 1_001, ttl: 5_000 } }, {}, KEEP],
  ['its own time has run out', { expiry: { at: 1_000, ttl: 5 } }, {}, EXPIRED],
  [
    'its own time has run out, and auto delete is off',
    { expiry: { at: 1, ttl: 5 } },
    { contextAutoDelete: false },
    EXPIRED,
  ],
  ['written in a future that was taken back', { updatedAt: 9_000, outdated: 0 }, {}, KEEP],
  ['as many deltas as are kept', { version: 10 }, {}, KEEP],
  ['one more record than deltas: it says where the first begins', { version: 11 }, {}, KEEP],
  ['one delta too many', { version: 12 }, {}, trim(1)],
  ['many too many', { version: 500, oldest: 300 }, {}, trim(489)],
  ['trimmed before', { version: 500, oldest: 490 }, {}, KEEP],
  ['some too old', { version: 8, outdated: 3 }, {}, trim(3)],
  ['all too old', { version: 8, outdated: 8 }, {}, trim(8)],
  ['too old and too many', { version: 100, outdated: 95 }, {}, trim(95)],
  ['too many and some of them too old', { version: 100, outdated: 20 }, {}, trim(89)],
  ['nothing is left', { version: 8, oldest: 9, outdated: 8 }, {}, KEEP],
] as const) {
  test(`plan: ${what}`, (t) => {
    t.deepEqual(plan(found(parts), { ...RULES, ...rules }, NOW), expected);
  });
}

test('the indexes are asked for exactly what the plan would act on', (t) => {
  t.deepEqual(dueUpTo(RULES, NOW), { expiry: 1_000, idle: 900, age: 950, length: -12 });
  t.deepEqual(dueUpTo({ ...RULES, contextAutoDelete: false }, NOW), { expiry: 1_000, age: 950, length: -12 });
});

test('before time began nothing was idle or old', (t) => {
  t.deepEqual(dueUpTo(RULES, 20), { expiry: 20, length: -12 });
});

test('a delta needs the position before it', (t) => {
  const { head } = found({ version: 20 });
  t.deepEqual(
    [1, 2, 10, 20, 21].map((oldest) => deltasIn(oldest, head)),
    [20, 18, 10, 0, 0],
  );
});

/** What is charged to whom, and that all of it is given back. */
import test from 'ava';
import fc from 'fast-check';
import { ChordError } from '../../src/model/errors.js';
import type { QuotaNeed } from '../../src/quota/account.js';
import type { Limits } from '../../src/quota/limits.js';
import { type QuotaOptions, Quotas, type QuotaUsage } from '../../src/quota/quotas.js';

const CALL: QuotaNeed = { calls: 1, streams: 0, subscriptions: 0, writesPerSecond: 0, bytesPerSecond: 100 };
const WRITE: QuotaNeed = { ...CALL, writesPerSecond: 1 };
const WATCH: QuotaNeed = { calls: 0, streams: 1, subscriptions: 3, writesPerSecond: 0, bytesPerSecond: 100 };

function quotas(options: Partial<QuotaOptions> & { at?: number } = {}) {
  const clock = { now: options.at ?? 0 };
  const made = new Quotas({ quotas: {}, connectionQuotas: {}, now: () => clock.now, ...options });
  const connections = new Map<string, object>();
  const connectionOf = (name: string): object => {
    if (!connections.has(name)) connections.set(name, {});
    return connections.get(name)!;
  };
  const admit = (identity: string, need: QuotaNeed, connection = 'c'): QuotaUsage =>
    made.admit(identity, connectionOf(connection), need);
  const refusal = (identity: string, need: QuotaNeed, connection?: string): ChordError['details'] | undefined => {
    try {
      admit(identity, need, connection).end();
      return undefined;
    } catch (error) {
      if (error instanceof ChordError && error.reason === 'RESOURCE_EXHAUSTED') return error.details;
      throw error;
    }
  };
  return { quotas: made, clock, admit, refusal };
}

test('each limit is reached exactly, says which it is, and is there again afterwards', (t) => {
  const cases: [Limits, QuotaNeed, number][] = [
    [{ calls: 5 }, CALL, 5],
    [{ streams: 5 }, WATCH, 5],
    [{ subscriptions: 15 }, WATCH, 5],
    [{ subscriptions: 17 }, WATCH, 5],
  ];
  for (const [limits, need, times] of cases) {
    const { admit, refusal } = quotas({ quotas: limits });
    const [[name, limit]] = Object.entries(limits) as [[string, number]];
    for (let round = 0; round < 3; round++) {
      const held = Array.from({ length: times }, () => admit('ann', need));
      t.deepEqual(refusal('ann', need), { retryAfter: 1000, quota: { name, limit, whose: 'identity' } });
      t.is(refusal('bob', need), undefined, 'others are not concerned');
      held.pop()!.end();
      held.push(admit('ann', need));
      for (const each of held) each.end();
    }
  }
});

test('what alone is more than the limit is not told to come back', (t) => {
  const { refusal } = quotas({ quotas: { subscriptions: 2 } });
  t.deepEqual(refusal('ann', WATCH), { quota: { name: 'subscriptions', limit: 2, whose: 'identity' } });
});

test('rates: what ends is not given back, time gives it', (t) => {
  const { admit, refusal, clock } = quotas({ quotas: { writesPerSecond: 4 } });
  for (let i = 0; i < 4; i++) admit('ann', WRITE).end();
  t.deepEqual(refusal('ann', WRITE), {
    retryAfter: 251,
    quota: { name: 'writesPerSecond', limit: 4, whose: 'identity' },
  });
  t.is(refusal('ann', CALL), undefined, 'reads go on');
  t.is(refusal('bob', WRITE), undefined);
  clock.now += 251;
  t.is(refusal('ann', WRITE), undefined);
  const bytes = quotas({ quotas: { bytesPerSecond: 250 } });
  for (let i = 0; i < 2; i++) bytes.admit('ann', CALL).end();
  t.is(bytes.refusal('ann', CALL)?.retryAfter, 201);
});

test('a batch counts as many writes as it has', (t) => {
  const { refusal } = quotas({ quotas: { writesPerSecond: 10 } });
  t.is(refusal('ann', { ...WRITE, writesPerSecond: 10 }), undefined);
  t.is(refusal('ann', WRITE)?.retryAfter, 101);
  t.is(refusal('bob', { ...WRITE, writesPerSecond: 50 }), undefined);
  t.is(refusal('bob', WRITE)?.retryAfter, 4101);
});

test('a connection has limits of its own, and a refusal charges nobody', (t) => {
  const { admit, refusal } = quotas({ quotas: { calls: 3 }, connectionQuotas: { calls: 2 } });
  const held = [admit('ann', CALL, 'one'), admit('ann', CALL, 'one')];
  t.is(refusal('ann', CALL, 'one')?.quota?.whose, 'connection');
  t.is(refusal('bob', CALL, 'one')?.quota?.whose, 'connection');
  held.push(admit('ann', CALL, 'two'));
  t.is(refusal('ann', CALL, 'two')?.quota?.whose, 'identity');
  t.is(refusal('bob', CALL, 'two'), undefined);
  for (const each of held) each.end();
  t.is(refusal('ann', CALL, 'one'), undefined);
});

test('limits of one identity, in place of those of all, as they are at each call', (t) => {
  const own = new Map<string, Limits>([['ann', { calls: Infinity }]]);
  const { admit, refusal } = quotas({ quotas: { calls: 1, streams: 1 }, limitsOf: (name) => own.get(name) });
  for (let i = 0; i < 10; i++) admit('ann', CALL);
  admit('ann', WATCH);
  t.is(refusal('ann', WATCH)?.quota?.name, 'streams');
  admit('bob', CALL);
  t.is(refusal('bob', CALL)?.quota?.limit, 1);
  own.set('bob', { calls: 2 });
  own.delete('ann');
  t.is(refusal('bob', CALL), undefined);
  t.is(refusal('ann', CALL)?.quota?.limit, 1);
});

test('contexts that watches follow', (t) => {
  const { admit } = quotas({ quotas: { contexts: 10 } });
  const [one, other] = [admit('ann', WATCH), admit('ann', WATCH)];
  t.is(one.follow(6), undefined);
  t.is(other.follow(4), undefined);
  const { quota, retryAfter } = other.follow(5)!.details;
  t.like(quota, { name: 'contexts', limit: 10 });
  t.is(retryAfter, undefined, 'the same watch would be too much again');
  t.is(other.follow(4), undefined, 'fewer is always possible');
  one.end();
  t.is(other.follow(10), undefined);
  other.end();
  t.is(admit('ann', WATCH).follow(10), undefined);
});

const names = fc.constantFrom('ann', 'bob', 'cy');
const command = fc.oneof(
  fc.record({
    kind: fc.constant('enter' as const),
    name: names,
    connection: names,
    need: fc.constantFrom(CALL, WRITE, WATCH),
  }),
  fc.record({ kind: fc.constant('follow' as const), pick: fc.nat(), contexts: fc.nat(20) }),
  fc.record({ kind: fc.constant('end' as const), pick: fc.nat() }),
  fc.record({ kind: fc.constant('pass' as const), time: fc.nat(800) }),
);

test('whatever comes and goes: nobody is over, nobody is refused for what others hold, all of it comes back', (t) => {
  const limits = { calls: 3, streams: 2, subscriptions: 5, contexts: 25 };
  fc.assert(
    fc.property(fc.array(command, { maxLength: 80 }), (commands) => {
      const { admit, refusal, clock } = quotas({ quotas: limits });
      const held: { name: string; need: QuotaNeed; usage: QuotaUsage; contexts: number }[] = [];
      const used = (name: string, what: keyof QuotaNeed) =>
        held.filter((each) => each.name === name).reduce((sum, each) => sum + each.need[what], 0);
      for (const each of commands) {
        if (each.kind === 'pass') clock.now += each.time;
        if (each.kind === 'enter') {
          const { name, need } = each;
          const fits = (['calls', 'streams', 'subscriptions'] as const).every(
            (what) => need[what] === 0 || used(name, what) + need[what] <= limits[what],
          );
          if (fits) held.push({ name, need, usage: admit(name, need, each.connection), contexts: 0 });
          else t.truthy(refusal(name, need, each.connection));
        }
        const one = 'pick' in each ? held[each.pick % held.length] : undefined;
        if (!one) continue;
        if (each.kind === 'end') {
          held.splice(held.indexOf(one), 1)[0]!.usage.end();
        } else if (each.kind === 'follow' && one.need.streams === 1) {
          const grows = each.contexts > one.contexts;
          one.contexts = each.contexts;
          const all = held.filter(({ name }) => name === one.name).reduce((sum, { contexts }) => sum + contexts, 0);
          t.is(one.usage.follow(each.contexts) !== undefined, grows && all > limits.contexts);
        }
      }
      for (const { usage } of held) usage.end();
      for (const name of ['ann', 'bob', 'cy']) {
        const all = [admit(name, WATCH), admit(name, CALL), admit(name, CALL), admit(name, CALL)];
        t.is(all[0]!.follow(25), undefined);
        for (const usage of all) usage.end();
      }
    }),
  );
});

test('who holds and owes nothing is forgotten', (t) => {
  const {
    quotas: all,
    admit,
    refusal,
    clock,
  } = quotas({ quotas: { writesPerSecond: 1, calls: 1 }, connectionQuotas: { calls: 5 } });
  const kept = admit('busy', CALL, 'busy');
  for (let i = 0; i < 50_000; i++) {
    clock.now += 10;
    admit(`i${i}`, WRITE, `c${i}`).end();
  }
  t.true(all.size < 5000, `${all.size} accounts`);
  t.is(refusal('i49999', WRITE)?.quota?.name, 'writesPerSecond', 'one that owes is remembered');
  t.is(refusal('busy', CALL)?.quota?.name, 'calls', 'one that holds is remembered');
  kept.end();
  t.is(refusal('busy', CALL), undefined);
});

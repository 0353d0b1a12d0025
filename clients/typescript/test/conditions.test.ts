/** Conditions, edits and waits against a real server, where they are this client's own; the suite of all clients has the rest. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { status } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import { contexts } from '../src/grpc.js';
import { type Check, ChordError, type JsonObject } from '../src/index.js';
import { at, connectedTo, startPeer } from './support/peer.js';
import { connected, type Server, startServer } from './support/server.js';

/** In memory, for all tests that leave it as it is. */
let shared: Server;
const ends: (() => unknown)[] = [];

test.before(async () => {
  shared = await startServer({ teardown: (end) => ends.push(end) }, '--backend', 'memory');
});

test.after.always(async () => {
  for (const end of ends) await end();
});

function fails(t: ExecutionContext, call: Promise<unknown>): Promise<ChordError> {
  return t.throwsAsync<ChordError>(call, { instanceOf: ChordError });
}

test('a write of a batch has conditions, too', async (t) => {
  const client = connected(t, shared);
  const { position: since } = await client.set('batch:a', { seats: 0, topic: 'daily' });
  const { position: current } = await client.update('batch:a', { changes: { topic: 'weekly' } });
  const condition = { $case: 'unchanged', value: { since, paths: [{ keys: ['topic'] }] } } as const;
  const checks = [{ path: { keys: ['seats'] }, test: { $case: 'atLeast', value: 1 } }] as const;
  const write = (contextId: string, expected: object | undefined) =>
    ({
      write: { $case: 'set', value: { contextId, value: {}, expected, requestId: '', annotations: new Map() } },
    }) as never;
  for (const [expected, conditions] of [
    [{ condition, checks: [] }, [{ path: ['topic'], touchedAt: 2 }]],
    [{ checks }, [{ path: ['seats'], check: { path: ['seats'], atLeast: 1 } }]],
  ] as const) {
    const writes = [write('batch:b', undefined), write('batch:a', expected)];
    const error = await fails(t, client.call(contexts.batchWrite, { writes }));
    t.is(error.reason, 'ABORTED', error.message);
    t.is(error.contextId, 'batch:a');
    t.deepEqual(error.current, current);
    t.deepEqual(error.unmet, { sinceReason: undefined, conditions });
  }
  t.is((await fails(t, client.get('batch:b'))).reason, 'NOT_FOUND');
});

test('conditions that cannot be sent are refused, with their place', async (t) => {
  const client = connected(t, shared);
  const { position: since } = await client.set('refused', {});
  const field = async (call: Promise<unknown>) => {
    const { reason, violations } = await fails(t, call);
    return [reason, violations[0]?.field];
  };
  const of = (check: Check) => field(client.delete('refused', { checks: [{ path: ['x'], exists: true }, check] }));
  t.deepEqual(await of({ path: ['b', '\ud800'], exists: true }), [
    'INVALID_ARGUMENT',
    'expected.checks[1].path.keys[1]',
  ]);
  t.deepEqual(await of({ path: ['b'], atMost: Number.NaN }), ['INVALID_ARGUMENT', 'expected.checks[1].at_most']);
  t.deepEqual(await of({ path: ['b'], equals: { c: [1, Number.POSITIVE_INFINITY] } }), [
    'INVALID_ARGUMENT',
    'expected.checks[1].equals.c[1]',
  ]);
  t.deepEqual(await field(client.set('refused', {}, { expected: { unchanged: { since, paths: [['\udc00']] } } })), [
    'INVALID_ARGUMENT',
    'expected.unchanged.paths[0].keys[0]',
  ]);
  const lone = ['INVALID_ARGUMENT', 'annotations'];
  t.deepEqual(await field(client.set('refused', {}, { annotations: { a: '\ud800' } })), lone);
  t.deepEqual(await field(client.delete('refused', { annotations: { '\ud800': 'a' } })), lone);
  t.deepEqual(await field(client.blame('refused', [['a'], ['\ud800']]).next()), [
    'INVALID_ARGUMENT',
    'paths[1].keys[0]',
  ]);
  t.deepEqual(await field(client.wait('refused', [{ path: ['\ud800'], exists: true }])), [
    'INVALID_ARGUMENT',
    'until[0].path.keys[0]',
  ]);
});

test('an edit writes what its function made of the document, and nothing else', async (t) => {
  const client = connected(t, shared);
  const vectors = JSON.parse(
    readFileSync(new URL('../../../test/vectors/values.json', import.meta.url), 'utf8'),
  ) as readonly { name: string; value: JsonObject; decodeOnly?: boolean }[];
  await client.set('values', {});
  for (const { name, value, decodeOnly } of vectors) {
    if (decodeOnly) continue;
    await client.edit('values', () => value);
    t.deepEqual((await client.get('values')).value, value, name);
    t.false((await client.edit('values', () => structuredClone(value))).changed, name);
  }

  await client.update('ann', { mutations: [{ path: ['ann'], set: { n: 1 }, ttl: 3_600_000 }] }, { allowMissing: true });
  const { position } = await client.edit('ann', async ({ ann }) => {
    ann.n = 2;
    ann.list = [1, 2];
  });
  const { value, expiries, position: at } = await client.get('ann', { includeExpiries: true });
  t.deepEqual(value, { ann: { n: 2, list: [1, 2] } });
  t.deepEqual(at, position);
  t.deepEqual(
    expiries.map(({ path }) => path),
    [['ann']],
    'a change below a member keeps its time',
  );
});

test('an edit that fails writes nothing', async (t) => {
  const client = connected(t, shared);
  const { position } = await client.set('failing', { n: 1 });
  const edit = (change: Parameters<typeof client.edit>[1]) => client.edit('failing', change);
  const failure = new Error('no');
  t.is(await t.throwsAsync(edit(() => Promise.reject(failure))), failure);
  let calls = 0;
  // A conflict of a write that the function makes itself is its failure.
  const aborted = edit(async () => {
    calls++;
    await client.set('failing', {}, { expected: { absent: true } });
  });
  t.is((await fails(t, aborted)).reason, 'ABORTED');
  t.is(calls, 1);
  for (const [document, field] of [
    [{ o: [{ x: Number.NaN }] }, 'value.o[0].x'],
    [{ n: new Date() }, 'value.n'],
    [{ l: [undefined] }, 'value.l[0]'],
    [[1], 'value'],
    [new Map(), 'value'],
  ] as const) {
    const { reason, violations } = await fails(
      t,
      edit(() => document),
    );
    t.deepEqual([reason, violations[0]?.field], ['INVALID_ARGUMENT', field]);
  }
  t.deepEqual((await client.get('failing')).position, position);
});

test('the deadline ends an edit with its last conflict', async (t) => {
  const client = connected(t, shared);
  const increment = { mutations: [{ path: ['n'], increment: 1 }] };
  let calls = 0;
  // On a busy machine, the time may be over before the function is called again: then with more of it.
  for (let deadline = 100; calls < 2; deadline *= 2) {
    const { position } = await client.set('late', { n: deadline });
    calls = 0;
    const conflict = client.edit(
      'late',
      async (document) => {
        document.n++;
        if (++calls === 1) await client.update('late', increment, { deadline: 60_000 });
        else await sleep(deadline + 20); // all the time of the edit, whatever the timers round to
      },
      { deadline },
    );
    const error = await fails(t, conflict);
    if (calls < 2) continue;
    t.is(error.reason, 'ABORTED');
    t.deepEqual(error.unmet?.conditions, [{ path: ['n'], touchedAt: position.version + 1 }]);
  }
});

test('after a conflict, the deadline is that conflict during a read, and itself during a write', async (t) => {
  for (const [silent, reason] of [
    ['get', 'ABORTED'],
    ['update', 'DEADLINE_EXCEEDED'],
  ] as const) {
    const asked: string[] = [];
    const answers = (call: string) => {
      asked.push(call);
      return asked.indexOf(call) === asked.length - 1 || !call.startsWith(silent);
    };
    const peer = await startPeer(t, {
      get: (contextId, answer) => {
        const context = { contextId, value: {}, position: at(1) };
        if (answers(`get ${contextId}`)) answer(null, { context, expiries: [] });
      },
      update: (contextId, answer) => {
        if (answers(`update ${contextId}`)) answer({ code: status.ABORTED, details: 'moved' });
      },
    });
    const client = connectedTo(t, peer);
    // On a busy machine, the time may be over before the call that is not answered: then with more of it.
    for (let deadline = 100, again = false; !again; deadline *= 2) {
      const contextId = `late:${deadline}`;
      const error = await fails(
        t,
        client.edit(contextId, () => ({ n: 1 }), { deadline }),
      );
      again = asked.filter((call) => call === `${silent} ${contextId}`).length > 1;
      if (again) t.is(error.reason, reason);
    }
  }
});

test('edits of one path are all made, edits of many paths are made at the first try', async (t) => {
  const client = connected(t, shared);
  await client.set('busy', { n: 0, parts: {} });
  let calls = 0;
  const part = (i: number) =>
    client.edit('busy', ({ parts }) => {
      calls++;
      parts[i] = i;
    });
  await Promise.all(Array.from({ length: 50 }, (_, i) => part(i)));
  t.is(calls, 50);
  const add = () =>
    client.edit('busy', (document) => {
      document.n++;
    });
  await Promise.all(Array.from({ length: 8 }, add));
  const { value } = await client.get('busy');
  t.is(value.n, 8);
  t.is(Object.keys(value.parts as JsonObject).length, 50);
});

test('waits take no place of calls, and go on over a restart of the server', async (t) => {
  const server = await startServer(t);
  const retry = { attempts: 1000, backoffMin: 1, backoffMax: 50 };
  const client = connected(t, server, { callsInFlight: 2, watchesPerConnection: 4, retry });
  const ready: Check[] = [{ path: ['status'], equals: 'ready' }];
  const waiting = Array.from({ length: 10 }, (_, i) => client.wait(`job:${i}`, ready));
  const controller = new AbortController();
  const cancelled = fails(t, client.wait('job:0', ready, { signal: controller.signal }));
  await client.set('job:0', { status: 'new' });
  controller.abort();
  t.is((await cancelled).reason, 'CANCELLED');
  await server.stop('SIGKILL');
  await server.start();
  for (let i = 0; i < 10; i++) await client.set(`job:${i}`, { status: 'ready' }, { deadline: 60_000 });
  for (const [i, { result, heldAt }] of (await Promise.all(waiting)).entries()) {
    t.is(heldAt, i === 0 ? 2 : 1);
    t.true(result.type === 'full' && result.value.status === 'ready');
  }
  const unanswered = fails(t, client.wait('job:none', ready));
  await client.close();
  t.regex((await unanswered).message, /the client is closed/);
  t.is((await fails(t, client.wait('job:0', ready))).reason, 'CANCELLED');
});

test('a wait ends at its deadline, also where the server is away', async (t) => {
  const server = await startServer(t, '--backend', 'memory');
  const client = connected(t, server);
  const wait = () => fails(t, client.wait('a', [{ path: ['n'], exists: true }], { deadline: 200 }));
  t.is((await wait()).reason, 'DEADLINE_EXCEEDED');
  await server.stop();
  t.true(['UNAVAILABLE', 'DEADLINE_EXCEEDED'].includes((await wait()).reason));
  await server.start();
});

test('what a wait tries again', async (t) => {
  const met = { result: { $case: 'noChange', value: { position: at(7) } }, heldAt: 7 };
  const waited = async (codes: readonly status[], token: string | (() => string) = () => 't') => {
    const peer = await startPeer(t, {
      wait: (answer, asked) => {
        const code = codes[asked - 1];
        if (code === undefined) answer(null, met);
        else answer({ code, details: status[code] });
      },
    });
    const client = connectedTo(t, peer, { token, retry: { backoffMin: 1, backoffMax: 10_000 } });
    return client.wait('a', []).then(
      ({ heldAt }) => heldAt,
      ({ reason }) => reason,
    );
  };
  t.is(await waited(Array(8).fill(status.UNAVAILABLE)), 7);
  t.is(await waited(Array(8).fill(status.DEADLINE_EXCEEDED)), 7, 'the server ends waits that are long');
  t.is(await waited(Array(5).fill(status.INTERNAL)), 7);
  t.is(await waited(Array(6).fill(status.INTERNAL)), 'INTERNAL');
  t.is(await waited([status.UNAUTHENTICATED, status.UNAVAILABLE]), 7, 'another token');
  t.is(await waited([status.UNAUTHENTICATED], 'fixed'), 'UNAUTHENTICATED');
  t.is(await waited([status.UNAUTHENTICATED, status.UNAUTHENTICATED]), 'UNAUTHENTICATED');
  t.is(await waited([status.PERMISSION_DENIED]), 'PERMISSION_DENIED');
});

/** Waiting by a predicate, and health checking: on gRPC and on HTTP. */
import test from 'ava';
import type { ChordError } from '../src/index.js';
import { connect } from '../src/web.js';
import { connectedTo, delta, end, full, startPeer } from './support/peer.js';
import { connected, startServer } from './support/server.js';

interface Job {
  readonly status: string;
}

test('until resolves with the document for which the predicate held', async (t) => {
  const server = await startServer(t);
  const client = connected(t, server, { retry: { attempts: 1000, backoffMin: 1, backoffMax: 50 } });
  const seen: (string | undefined)[] = [];
  let came = () => {};
  const next = () => new Promise<void>((resolve) => (came = resolve));
  const absent = next();
  const waiting = client.until<Job>('job', (job) => {
    seen.push(job?.status);
    came();
    return job?.status === 'done';
  });
  await absent;
  const made = next();
  await client.set('job', { status: 'new' }, { deadline: 60_000 });
  await made;
  await server.stop('SIGKILL');
  await server.start();
  const { position } = await client.set('job', { status: 'done' }, { deadline: 60_000 });
  const done = await waiting;
  t.deepEqual(seen, [undefined, 'new', 'done']);
  t.deepEqual([done?.value, done?.position], [{ status: 'done' }, position]);
  t.is(await client.until('none', (value) => value === undefined), undefined);
});

test('until ends with its deadline, its signal, the client, and what the predicate throws', async (t) => {
  const client = connected(t, await startServer(t, '--backend', 'memory'));
  await client.set('a', { n: 1 });
  const fails = async (wait: Promise<unknown>) => (await t.throwsAsync<ChordError>(wait)).reason;
  const never = () => false;
  t.is(await fails(client.until('a', never, { deadline: 100 })), 'DEADLINE_EXCEEDED');
  const controller = new AbortController();
  const cancelled = fails(client.until('a', never, { signal: controller.signal }));
  controller.abort();
  t.is(await cancelled, 'CANCELLED');
  const failure = new Error('no');
  const throws = () => {
    throw failure;
  };
  t.is(await t.throwsAsync(client.until('a', throws)), failure);
  const open = t.throwsAsync<ChordError>(client.until('a', never));
  await client.close();
  t.regex((await open).message, /the client is closed/);
  t.is(await fails(client.until('a', never)), 'CANCELLED');
});

test('until takes the document anew where a delta does not fit', async (t) => {
  const peer = await startPeer(t, {
    watch: (stream, opened) => {
      stream.write(full('a', opened, { n: opened }));
      if (opened === 1) stream.write(delta('a', 1, 7, false, ['none', 'n']));
      else end(stream);
    },
  });
  const seen: unknown[] = [];
  await connectedTo(t, peer).until('a', (value) => {
    seen.push(value);
    return value?.n === 2;
  });
  t.deepEqual(seen, [{ n: 1 }, { n: 2 }]);
});

test('health of a server and of its services, on both ports', async (t) => {
  const server = await startServer(t, '--backend', 'memory', '--web-listen', '127.0.0.1:0');
  const web = connect(server.webAddress);
  t.teardown(() => web.close());
  for (const client of [connected(t, server, { token: 'none is needed' }), web]) {
    t.is(await client.health(), 'SERVING');
    t.is(await client.health('chord.v1.ContextService'), 'SERVING');
    const error = await t.throwsAsync<ChordError>(client.health('none'));
    t.is(error.reason, 'NOT_FOUND');
    await client.close();
    t.is((await t.throwsAsync<ChordError>(client.health())).reason, 'CANCELLED');
  }
});

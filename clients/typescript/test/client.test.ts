/** Against a real server. What all clients must do is in the conformance suite; here is what is this one's own. */
import test from 'ava';
import { ChordError, connect } from '../src/index.js';
import { connected, startServer } from './support/server.js';

test('writes, reads and lists', async (t) => {
  const client = connected(t, await startServer(t));
  const { position } = await client.set('room:1', { topic: 'daily' });
  const context = await client.get('room:1');
  t.deepEqual(context.value, { topic: 'daily' });
  t.deepEqual(context.position, position);
  t.true(context.createdAt instanceof Date);
  t.is(context.expiresAt, undefined);
  const listed = [];
  for await (const { contextId } of client.list('room:')) listed.push(contextId);
  t.deepEqual(listed, ['room:1']);
  t.deepEqual(await client.delete('missing', { allowMissing: true }), { changed: false });
});

test('a write keeps its annotations, and those who read deltas learn them', async (t) => {
  const client = connected(t, await startServer(t));
  const annotations = { ticket: '7', __proto: 'é' };
  const written = await client.set('a', { n: 1 }, { annotations, returning: { delta: true } });
  t.deepEqual(written.delta?.provenance, { author: '', annotations });
  await client.update('a', { changes: { n: 2 } });
  const provenances = [];
  for await (const { deltas } of client.deltas('a')) provenances.push(...deltas.map(({ provenance }) => provenance));
  t.deepEqual(provenances, [{ author: '', annotations }, undefined]);
  t.like(await client.delete('a', { annotations }), { changed: true });
});

test('errors are typed', async (t) => {
  const client = connected(t, await startServer(t));
  const { position } = await client.set('a', {});
  const error = await t.throwsAsync<ChordError>(client.set('a', {}, { expected: { absent: true } }), {
    instanceOf: ChordError,
  });
  t.is(error.reason, 'ABORTED');
  t.deepEqual(error.current, position);
  const unsent = await t.throwsAsync<ChordError>(client.set('a', { n: Number.NaN }), { instanceOf: ChordError });
  t.is(unsent.reason, 'INVALID_ARGUMENT');
});

test('a server that is away: tried again, and told of in the end', async (t) => {
  const server = await startServer(t);
  await server.stop();
  const client = connected(t, server, { retry: { attempts: 3, backoffMin: 1 } });
  await t.throwsAsync(client.get('a'), { instanceOf: ChordError, message: /ECONNREFUSED|No connection/ });
  const patient = connected(t, server);
  const [written] = await Promise.all([patient.set('a', { n: 1 }, { deadline: 60_000 }), server.start()]);
  t.is(written.position.version, 1);
});

test('a call ends when its signal says so', async (t) => {
  const client = connect('127.0.0.1:1', { retry: { backoffMin: 60_000, backoffMax: 60_000 } });
  t.teardown(() => client.close());
  const controller = new AbortController();
  const call = client.get('a', { signal: controller.signal, deadline: 600_000 });
  controller.abort();
  await t.throwsAsync(call, { instanceOf: ChordError });
});

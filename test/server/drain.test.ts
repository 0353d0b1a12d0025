/** How a server goes, as whoever balances the load sees it. */
import { type Client, status } from '@grpc/grpc-js';
import test from 'ava';
import { service as Health } from 'grpc-health-check';
import { connect, Reader, serve } from '../support/chord.js';

/** Resolves when health checks are told that the server does not serve. */
function unready(client: Client): Promise<void> {
  const { path, requestSerialize, responseDeserialize } = Health.Watch!;
  const watch = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, { service: '' });
  return new Promise((resolve, reject) => {
    watch.on('data', (word: { status: string }) => word.status === 'NOT_SERVING' && resolve());
    watch.on('error', reject);
  });
}

test('with a delay, a stop is announced before anybody is sent away', async (t) => {
  const chord = await serve(t, { shutdownDelay: 2000 });
  const peer = connect(t, chord.address);
  const reader = new Reader(peer, { id: 'a' });
  await reader.caughtUp();
  const announced = unready(connect(t, chord.address).client);
  await connect(t, chord.address).list({}); // sent after the watch of its health
  const closed = chord.close();
  await announced;

  // Whoever has not yet heard of it is served as ever, also who comes new.
  const late = connect(t, chord.address);
  const { position } = await late.set({ contextId: 'a', value: { n: 1 } });
  await reader.at('a', position);
  const next = new Reader(late, { id: 'a' });
  await next.caughtUp();
  t.false(reader.log.includes('closing'));

  for (const each of [reader, next]) {
    t.is((await each.end()).code, status.UNAVAILABLE);
    t.is(each.log.at(-1), 'closing');
  }
  await closed;
  t.is((await t.throwsAsync<Error & { code: number }>(connect(t, chord.address).list({})))?.code, status.UNAVAILABLE);
});

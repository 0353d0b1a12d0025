/** The same API in every protocol of the web port, over HTTP/1.1 and HTTP/2, with TLS and without. */
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import http, { Agent as HttpAgent } from 'node:http';
import https, { Agent as HttpsAgent } from 'node:https';
import { connect as connectTcp } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import { ALL, folder, guarded } from '../support/access.js';
import { Authority, HERE } from '../support/certificates.js';
import { connect, serve } from '../support/chord.js';
import { scrape } from '../support/metrics.js';
import { until } from '../support/until.js';
import { TRANSPORTS, webClient, webError } from './web.js';

const WEB = { webListen: '127.0.0.1:0' };
const EVERYTHING = { subscriptions: [{ target: { case: 'prefix', value: '' } }] };

for (const [name, transport] of Object.entries(TRANSPORTS)) {
  test(`${name}: writes, reads, errors with their details, and a watch`, async (t) => {
    const chord = await serve(t, WEB);
    const { contexts, sync, health } = webClient(transport({ baseUrl: `http://${chord.webAddress}` }));
    const { position, changed } = await contexts.setContext({ contextId: 'room:1', value: { topic: 'a', list: [1] } });
    t.true(changed);
    t.is(position.version, 1n);
    t.deepEqual((await contexts.getContext({ contextId: 'room:1' })).context.value, { topic: 'a', list: [1] });
    t.deepEqual(await connect(t, chord.address).document('room:1'), { topic: 'a', list: [1] }, 'the gRPC port sees it');

    const missing = await webError(contexts.getContext({ contextId: 'none' }));
    t.deepEqual(missing, {
      code: 'NotFound',
      message: 'there is no context "none"',
      details: ['google.rpc.ErrorInfo'],
    });
    const stale = { condition: { case: 'version', value: 7n } };
    const conflict = await webError(contexts.setContext({ contextId: 'room:1', expected: stale }));
    t.deepEqual([conflict.code, conflict.details[1]], ['Aborted', 'chord.v1.PositionMismatch']);
    const invalid = await webError(contexts.updateContext({ contextId: '' }));
    t.is(invalid.code, 'InvalidArgument');
    t.is((await health.check({})).status, 1);

    const ended = new AbortController();
    const request = { subscriptions: [{ target: { case: 'contextId', value: 'room:1' } }] };
    const seen: unknown[] = [];
    const watch = async () => {
      for await (const { event } of sync.watchContexts(request, { signal: ended.signal })) {
        if (event.case === 'caughtUp') await contexts.updateContext({ contextId: 'room:1', changes: { topic: 'b' } });
        if (event.case === 'full') seen.push(event.value.context.value);
        if (event.case === 'delta') {
          seen.push(event.value.changes.map((change: { path: unknown; value: unknown }) => change.path));
          ended.abort();
        }
      }
    };
    t.is((await webError(watch())).code, 'Canceled');
    t.deepEqual(seen, [{ topic: 'a', list: [1] }, [['topic']]]);
  });
}

test('a watch that the client leaves is closed on the server', async (t) => {
  const chord = await serve(t, WEB);
  for (const [name, transport] of Object.entries(TRANSPORTS)) {
    const { sync } = webClient(transport({ baseUrl: `http://${chord.webAddress}` }));
    const ended = new AbortController();
    const watch = async () => {
      for await (const _ of sync.watchContexts(EVERYTHING, { signal: ended.signal })) {
        t.is(chord.streams, 1, name);
        ended.abort();
      }
    };
    t.is((await webError(watch())).code, 'Canceled');
    await until(() => chord.streams === 0);
  }
});

test('a stop waits neither for connections that ask nothing, as browsers keep them, nor for those that ask again and again', async (t) => {
  const at = await folder(t);
  const { cert, key } = await (await Authority.create()).issue({ names: HERE });
  const [tlsCert, tlsKey] = [join(at, 'cert.pem'), join(at, 'key.pem')];
  await writeFile(tlsCert, cert);
  await writeFile(tlsKey, key);
  for (const tls of [{}, { tlsCert, tlsKey }]) {
    // Longer than a test may take.
    const chord = await serve(t, { ...WEB, ...tls, shutdownGrace: 600_000 });
    const [hostname, port] = chord.webAddress!.split(':') as [string, string];
    const silent = connectTcp({ host: hostname, port: Number(port) });
    await once(silent, 'connect');
    const agent = 'tlsCert' in tls ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
    const request = 'tlsCert' in tls ? https.request : http.request;
    const ask = async (): Promise<void> => {
      const asked = request({ hostname, port, agent, path: '/none', rejectUnauthorized: false } as object).end();
      const [response] = (await once(asked, 'response')) as [http.IncomingMessage];
      await once(response.resume(), 'end');
    };
    await ask();
    const asking = t.throwsAsync(async () => {
      for (;;) await ask();
    });
    await chord.close();
    await asking;
    silent.destroy();
    agent.destroy();
  }
});

test('a stop says goodbye to every watch', async (t) => {
  const chord = await serve(t, WEB);
  const events: string[] = [];
  const watches = Object.values(TRANSPORTS).map(async (transport, _, all) => {
    const { sync } = webClient(transport({ baseUrl: `http://${chord.webAddress}` }));
    for await (const { event } of sync.watchContexts(EVERYTHING)) {
      events.push(event.case);
      if (events.length === all.length) void chord.close();
    }
  });
  for (const each of await Promise.all(watches.map(webError))) t.like(each, { code: 'Unavailable' });
  t.deepEqual(events, [...watches.map(() => 'caughtUp'), ...watches.map(() => 'closing')]);
});

test('with TLS, tokens and rules: as on the gRPC port', async (t) => {
  const at = await folder(t);
  const authority = await Authority.create();
  const { cert, key } = await authority.issue({ names: HERE });
  const [tlsCert, tlsKey] = [join(at, 'cert.pem'), join(at, 'key.pem')];
  await writeFile(tlsCert, cert);
  await writeFile(tlsKey, key);
  const { chord, tokens } = await guarded(t, { ann: { 'a:': ALL } }, { ...WEB, tlsCert, tlsKey });
  const baseUrl = `https://${chord.webAddress}`;
  for (const [name, transport] of Object.entries(TRANSPORTS)) {
    const { contexts } = webClient(transport({ baseUrl, nodeOptions: { ca: authority.cert } }));
    const headers = { authorization: `Bearer ${tokens.ann}` };
    t.true((await contexts.setContext({ contextId: `a:${name}` }, { headers })).changed, name);
    t.is((await webError(contexts.getContext({ contextId: 'b' }, { headers }))).code, 'PermissionDenied');
    t.is((await webError(contexts.getContext({ contextId: 'a:x' }))).code, 'Unauthenticated');
  }
});

test('calls over HTTP count for quotas, in metrics and in the audit log', async (t) => {
  const auditLog = join(await folder(t), 'audit.log');
  const options = { ...WEB, auditLog, metricsListen: '127.0.0.1:0', quotas: { streams: 1 } };
  const { chord, tokens } = await guarded(t, { ann: { '': ALL } }, options);
  const headers = { authorization: `Bearer ${tokens.ann}` };
  const clients = Object.values(TRANSPORTS).map((transport) =>
    webClient(transport({ baseUrl: `http://${chord.webAddress}` })),
  );
  const ended = new AbortController();
  const [first] = clients as [(typeof clients)[0]];
  const held = first.sync.watchContexts(EVERYTHING, { headers, signal: ended.signal })[Symbol.asyncIterator]();
  await held.next();
  for (const [i, { contexts, sync }] of clients.entries()) {
    await contexts.setContext({ contextId: `room:${i}` }, { headers });
    const another = async () => {
      for await (const _ of sync.watchContexts(EVERYTHING, { headers })) t.fail('one more than the quota allows');
    };
    t.is((await webError(another())).code, 'ResourceExhausted');
  }
  const metrics = await scrape(chord.metricsAddress);
  const calls = (method: string, code: string) => metrics.value('chord_calls_total', { method, code });
  t.is(calls('SetContext', 'OK'), clients.length);
  t.is(calls('WatchContexts', 'RESOURCE_EXHAUSTED'), clients.length);
  t.is(metrics.value('chord_calls_in_flight', { method: 'WatchContexts' }), 1);
  ended.abort();
  await t.throwsAsync(held.next());
  await chord.close();
  const entries = (await readFile(auditLog, 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  const writes = entries.filter(({ method }) => method.endsWith('SetContext'));
  t.deepEqual(
    writes.map(({ identity, contextId, outcome }) => [identity, contextId, outcome]),
    clients.map((_, i) => ['ann', `room:${i}`, 'OK']),
  );
});

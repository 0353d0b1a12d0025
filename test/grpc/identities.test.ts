/** Callers who show signed tokens or client certificates, over real connections. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import { SyncServiceService } from '../../src/gen/chord/v1/sync_service.js';
import { ALL, folder, guarded, replace, rulesOf } from '../support/access.js';
import { Authority, HERE, type Wish, writePair } from '../support/certificates.js';
import { bytesOf, connect, type Peer, refusal, refused, watch } from '../support/chord.js';
import { AUDIENCE, ISSUER, Issuer } from '../support/jwt.js';

const CANCELLED = 1;
const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;
const EXPIRED = 'the credentials have expired';

async function withKeys(t: ExecutionContext, issuers: readonly Issuer[], clock = Date.now) {
  const authJwks = join(await folder(t), 'jwks.json');
  await writeFile(authJwks, Issuer.jwks(...issuers));
  const settings = { authJwks, authJwtIssuer: ISSUER, authJwtAudience: AUDIENCE, clock };
  return { authJwks, ...(await guarded(t, { ann: { '': ALL }, bob: { 'team/b': ['read'] } }, settings)) };
}

test('a signed token gives the rights of its name, beside static ones', async (t) => {
  const issuer = await Issuer.create('k');
  const { as, tokens } = await withKeys(t, [issuer]);
  const [ann, bob] = [as(await issuer.sign('ann')), as(await issuer.sign('bob'))];
  await ann.set({ contextId: 'team/b', value: { n: 1 } });
  t.deepEqual(await bob.document('team/b'), { n: 1 });
  t.is((await refused(bob.get({ contextId: 'team/ab' }))).code, PERMISSION_DENIED);
  t.is((await refused(as(await issuer.sign('eve')).get({ contextId: 'team/b' }))).code, PERMISSION_DENIED);
  t.deepEqual(await as(tokens.ann).document('team/b'), { n: 1 });

  const stranger = await Issuer.create('k');
  const bad = [
    stranger.sign('ann'),
    issuer.sign('ann', { aud: 'other' }),
    issuer.sign('ann', { exp: undefined }),
    'a.b.c',
  ];
  for (const token of bad) {
    const { code, message } = await refused(as(await token).list({}));
    t.deepEqual({ code, message }, { code: UNAUTHENTICATED, message: 'the token is not accepted' });
  }
});

test('a signed token that expires ends its streams, and no other', async (t) => {
  let now = Date.now();
  const issuer = await Issuer.create('k');
  const { as } = await withKeys(t, [issuer], () => now);
  const seconds = Math.floor(now / 1000);
  const [brief, long] = [
    as(await issuer.sign('ann', {}, seconds + 60)),
    as(await issuer.sign('ann', {}, seconds + 600)),
  ];
  const readers = [watch(t, brief, { prefix: '' }), watch(t, long, { prefix: '' })] as const;
  await Promise.all(readers.map((reader) => reader.caughtUp()));
  now += 66_000;
  t.like(refusal(await readers[0].end()), { code: UNAUTHENTICATED, message: EXPIRED });
  t.is(readers[0].log.at(-1), 'closing');
  // RememberedAnswer as verified, and expired nevertheless.
  t.like(await refused(brief.list({})), { code: UNAUTHENTICATED, message: EXPIRED });
  const { position } = await long.set({ contextId: 'a', value: {} });
  await readers[1].at('a', position);
});

test('keys are rotated: streams of the old one end when it goes', async (t) => {
  const [first, second] = [await Issuer.create('1'), await Issuer.create('2')];
  const { as, chord, authJwks } = await withKeys(t, [first]);
  const [old, next] = [as(await first.sign('ann')), as(await second.sign('ann'))];
  const lost = watch(t, old, { prefix: '' });
  await lost.caughtUp();
  t.is((await refused(next.list({}))).code, UNAUTHENTICATED);
  await replace(authJwks, Issuer.jwks(first, second));
  await chord.reload();
  const kept = watch(t, next, { prefix: '' });
  await kept.caughtUp();
  await old.set({ contextId: 'a', value: {} });
  await replace(authJwks, Issuer.jwks(second));
  await chord.reload();
  t.is(refusal(await lost.end()).code, UNAUTHENTICATED);
  t.is((await refused(old.list({}))).code, UNAUTHENTICATED);
  const { position } = await next.set({ contextId: 'a', value: { n: 1 } });
  await kept.at('a', position);
});

test('a caller who leaves while its signature is verified harms nobody', async (t) => {
  const issuer = await Issuer.create('k');
  const { as } = await withKeys(t, [issuer]);
  const bytes = bytesOf(SyncServiceService.watchContexts, {
    subscriptions: [{ target: { $case: 'prefix', value: '' }, known: new Map(), paths: [] }],
  });
  const left = async (peer: Peer): Promise<number> => {
    const same = (each: Buffer) => each;
    const { path } = SyncServiceService.watchContexts;
    const call = peer.client.makeServerStreamRequest(path, same, same, bytes, peer.metadata, {});
    setImmediate(() => call.cancel());
    return new Promise((resolve) => call.on('error', (error) => resolve((error as Error & { code: number }).code)));
  };
  const good = await Promise.all(Array.from({ length: 50 }, async (_, n) => left(as(await issuer.sign('ann', { n })))));
  const bad = await Promise.all(
    Array.from({ length: 50 }, async (_, n) => left(as(`${await issuer.sign('ann')}${n}`))),
  );
  t.true(good.every((code) => code === CANCELLED));
  t.true(bad.every((code) => code === CANCELLED || code === UNAUTHENTICATED));
  t.true((await as(await issuer.sign('ann')).set({ contextId: 'a', value: {} })).changed);
});

test('thousands of bad tokens are refused, and good ones go on', async (t) => {
  const issuer = await Issuer.create('k');
  const { as, tokens } = await withKeys(t, [issuer]);
  const [stranger, ann] = [as(undefined), as(tokens.ann)];
  const good = await issuer.sign('ann');
  const bad = Array.from({ length: 3000 }, (_, n) => [`chord_${n}`.padEnd(49, 'x'), `${good}${n}`, `${n}.x.y`][n % 3]!);
  for (let n = 0; n < bad.length; n += 100) {
    const refusals = bad.slice(n, n + 100).map((token) => refused(stranger.show(token).list({})));
    await ann.update({ contextId: 'a', changes: { n }, allowMissing: true });
    t.true((await Promise.all(refusals)).every(({ code }) => code === UNAUTHENTICATED));
  }
  t.deepEqual(await ann.document('a'), { n: 2900 });
});

async function withCertificates(t: ExecutionContext, options: object = {}) {
  const ca = await Authority.create();
  const at = await folder(t);
  const { cert: tlsCert, key: tlsKey } = await writePair(at, 'server', await ca.issue({ names: HERE }));
  const tlsClientCa = join(at, 'ca.pem');
  await writeFile(tlsClientCa, ca.cert);
  const rules = {
    'spiffe://prod/api': { '': ALL },
    'worker.internal': { jobs: ['read', 'write'] as const },
    ann: { '': ALL },
  };
  const tls = { tlsCert, tlsKey, tlsClientCa, authCertificates: true };
  const server = await guarded(t, rules, { ...tls, ...options });
  const certified = async (wish: Wish): Promise<Peer> => {
    const { cert, key } = await ca.issue(wish);
    return connect(
      t,
      server.chord.address,
      credentials.createSsl(Buffer.from(ca.cert), Buffer.from(key), Buffer.from(cert)),
    );
  };
  return { ...server, certified };
}

test('a client certificate names its owner: by URI, else by DNS name, else by address', async (t) => {
  const { certified } = await withCertificates(t);
  const api = await certified({ names: ['api.internal', 'spiffe://prod/api', 'ann@example.com'] });
  await api.set({ contextId: 'jobs', value: { n: 1 } });
  const worker = await certified({ names: ['x@example.com', 'worker.internal'] });
  t.deepEqual(await worker.document('jobs'), { n: 1 });
  t.is((await refused(worker.get({ contextId: 'jobsx' }))).code, PERMISSION_DENIED);
  t.is((await refused(worker.list({}))).code, PERMISSION_DENIED);
  t.is((await refused((await certified({ names: ['ann@example.com'] })).list({}))).code, PERMISSION_DENIED);
  const unnamed = await refused((await certified({ name: 'spiffe://prod/api' })).list({}));
  t.is(unnamed.code, UNAUTHENTICATED);
  const asked = 'a client certificate with an alternative name, or the metadata "authorization: Bearer TOKEN"';
  t.is(unnamed.message, `authentication is required: send ${asked}`);
});

test('names that would read as several are one', async (t) => {
  const { certified } = await withCertificates(t);
  for (const name of ['x, URI:spiffe://prod/api', 'x",URI:spiffe://prod/api', 'x, DNS:worker.internal']) {
    const { code } = await refused((await certified({ names: [`urn:${name}`] })).set({ contextId: 'jobs', value: {} }));
    t.true(code === PERMISSION_DENIED || code === UNAUTHENTICATED, name);
  }
});

test('a token counts before the certificate, and a bad one is not made good by it', async (t) => {
  const { certified, tokens, chord, rulesFile } = await withCertificates(t);
  const api = await certified({ names: ['spiffe://prod/api'] });
  await api.set({ contextId: 'a', value: {} });
  await replace(rulesFile, rulesOf({ ann: { '': ALL } }));
  await chord.reload();
  t.is((await refused(api.list({}))).code, PERMISSION_DENIED);
  t.is((await api.show(tokens.ann).list({})).contexts.length, 1);
  t.is((await refused(api.show(`${tokens.ann}x`).list({}))).code, UNAUTHENTICATED);
});

test('a stream ends with the certificate that it was opened with', async (t) => {
  let now = Date.now();
  const { certified } = await withCertificates(t, { clock: () => now });
  const api = await certified({ names: ['spiffe://prod/api'], until: new Date(now + 60_000) });
  const reader = watch(t, api, { prefix: '' });
  await reader.caughtUp();
  now += 61_000;
  t.like(refusal(await reader.end()), { code: UNAUTHENTICATED, message: EXPIRED });
});

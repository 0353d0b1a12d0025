/** Who is let in, and who is sent away in the middle: tokens and rules over real connections. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Metadata } from '@grpc/grpc-js';
import test from 'ava';
import { newToken, tokenLine } from '../../src/auth/tokens.js';
import { TransferServiceService } from '../../src/gen/chord/v1/transfer_service.js';
import { Call, type Middleware } from '../../src/grpc/call.js';
import { CallPipeline } from '../../src/grpc/pipeline.js';
import { ChordError } from '../../src/model/errors.js';
import { startChord } from '../../src/server/app.js';
import type { Provider } from '../../src/transfer/export-provider.js';
import { ALL, folder, guarded, replace, rulesOf } from '../support/access.js';
import { type Peer, Reader, refusal, refused, watch } from '../support/chord.js';
import { until } from '../support/until.js';

const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;

test('a known token is let in; none, an unknown one, or something else is told nothing', async (t) => {
  const { as, tokens } = await guarded(t, { ann: { '': ALL } });
  const ann = as(tokens.ann);
  t.true((await ann.set({ contextId: 'a', value: { n: 1 } })).changed);
  ann.metadata.set('authorization', `bearer  ${tokens.ann}`); // the scheme's case and spaces are free
  t.deepEqual(await ann.document('a'), { n: 1 });

  const nothing = await refused(as(undefined).get({ contextId: 'a' }));
  t.like(nothing, { code: UNAUTHENTICATED, reason: 'UNAUTHENTICATED' });
  t.is(nothing.message, 'authentication is required: send the metadata "authorization: Bearer TOKEN"');
  const unlike = ['Bearer', `Basic ${tokens.ann}`, `Bearer ${tokens.ann} x`, tokens.ann!, 'Bearer a,b'];
  for (const each of unlike) {
    const peer = as(undefined);
    peer.metadata.set('authorization', each);
    const { code, message } = await refused(peer.get({ contextId: 'a' }));
    t.deepEqual(
      { code, message },
      { code: UNAUTHENTICATED, message: 'the header authorization is not "Bearer TOKEN"' },
      each,
    );
  }
  const { message } = await refused(as(newToken()).get({ contextId: 'a' }));
  const wrong = [tokens.ann!.slice(0, -1), `${tokens.ann}=`, tokens.ann!.toUpperCase(), 'x', 'x'.repeat(8000), 'a.b.c'];
  for (const token of wrong) {
    const answer = await refused(as(token).get({ contextId: 'a' }));
    t.deepEqual(answer, { ...answer, code: UNAUTHENTICATED, message });
  }
  const huge = await refused(as('x'.repeat(50_000)).get({ contextId: 'a' }));
  t.is(huge.code, UNAUTHENTICATED);
});

test('what is refused may be long', async (t) => {
  const { as, tokens } = await guarded(t, { ann: { a: ALL } });
  const ann = as(tokens.ann);
  for (const contextId of ['x'.repeat(3_000_000), '\u{1f600}'.repeat(500_000), '\0'.repeat(100_000)]) {
    t.like(await refused(ann.get({ contextId })), { code: PERMISSION_DENIED, reason: 'PERMISSION_DENIED' });
    t.like(await refused(ann.list({ prefix: contextId })), { code: PERMISSION_DENIED, reason: 'PERMISSION_DENIED' });
  }
  t.is((await refused(ann.set({ contextId: '' }))).code, PERMISSION_DENIED);
});

test('a request that is no message tells nothing of itself to a stranger', async (t) => {
  const { as } = await guarded(t, { ann: { '': ALL } });
  const method = { path: '/chord.v1.ContextService/GetContext', responseDeserialize: (bytes: Buffer) => bytes };
  t.is((await refused(as(undefined).raw(method, Buffer.from([0xff])))).code, UNAUTHENTICATED);
});

test('a token ends when its line says so, by the clock of the server', async (t) => {
  let now = Date.UTC(2027, 0, 1);
  const at = await folder(t);
  const [token, tokensFile] = [newToken(), join(at, 'tokens')];
  await writeFile(tokensFile, tokenLine('ann', token, now + 60_000));
  const { as } = await guarded(t, { ann: { '': ALL } }, { authTokens: tokensFile, clock: () => now });
  const ann = as(token);
  await ann.set({ contextId: 'a', value: {} });
  const reader = watch(t, ann, { id: 'a' });
  await reader.caughtUp();
  now += 60_000;
  t.like(await refused(ann.get({ contextId: 'a' })), {
    code: UNAUTHENTICATED,
    message: 'the credentials have expired',
  });
  t.like(refusal(await reader.end()), { code: UNAUTHENTICATED, reason: 'UNAUTHENTICATED' });
  t.is(reader.log.at(-1), 'closing');
});

/** Writes as fast as it is answered, until it is told to stop; answers how many writes were acknowledged. */
function writer(peer: Peer, contextId: string) {
  let stopped = false;
  const done = (async () => {
    let written = 0;
    while (!stopped) {
      await peer.update({ contextId, mutations: [increment], allowMissing: true });
      written++;
    }
    return written;
  })();
  return () => {
    stopped = true;
    return done;
  };
}

const increment = { path: ['n'], operation: { $case: 'increment' as const, value: 1 } };

test('tokens are rotated under load: only streams of the old one end', async (t) => {
  const { as, chord, tokens, tokensFile } = await guarded(t, { ann: { '': ALL }, bob: { '': ALL } });
  const next = newToken();
  const lines = (await readFile(tokensFile, 'utf8')).trim().split('\n');
  const [old, renewed, bob] = [as(tokens.ann), as(next), as(tokens.bob)] as const;
  const writing = [1, 2, 3].map((n) => writer(bob, `load:${n}`));
  t.is((await refused(renewed.get({ contextId: 'x' }))).code, UNAUTHENTICATED);

  await replace(tokensFile, [...lines, tokenLine('ann', next)].join('\n'));
  await until(async () => (await chord.contexts.list('load:')).heads.length === 3);
  await until(() =>
    renewed.list({}).then(
      () => true,
      () => false,
    ),
  );
  const readers = {
    old: watch(t, old, { prefix: '' }),
    renewed: watch(t, renewed, { prefix: '' }),
    bob: watch(t, bob, { prefix: '' }),
  };
  await Promise.all(Object.values(readers).map((reader) => reader.caughtUp()));
  await old.list({}); // both are good

  await replace(tokensFile, [...lines.slice(1), tokenLine('ann', next)].join('\n'));
  t.like(refusal(await readers.old.end()), { code: UNAUTHENTICATED, message: 'the token is not accepted' });
  t.is(readers.old.log.at(-1), 'closing');
  t.is((await refused(old.list({}))).code, UNAUTHENTICATED);

  const written = await Promise.all(writing.map((stop) => stop()));
  for (const [index, n] of written.entries()) {
    const id = `load:${index + 1}`;
    const { context } = await bob.get({ contextId: id });
    t.deepEqual(context!.value, { n });
    // Each delta fitted the one before it, or the reader would have failed.
    await Promise.all([readers.renewed.at(id, context!.position), readers.bob.at(id, context!.position)]);
  }
});

test('a stream ends when its right is taken, and others go on', async (t) => {
  const grants = { ann: { 'team/a': ALL, 'team/b': ALL }, bob: { 'team/b': ALL } };
  const { as, tokens, rulesFile } = await guarded(t, grants);
  const [ann, bob] = [as(tokens.ann), as(tokens.bob)];
  const lost = watch(t, ann, { prefix: 'team/a/' });
  const kept = watch(t, ann, { id: 'team/b' });
  const others = watch(t, bob, { prefix: 'team/b/' });
  await Promise.all([lost, kept, others].map((reader) => reader.caughtUp()));
  await replace(rulesFile, rulesOf({ ...grants, ann: { 'team/a': ['read', 'write'], 'team/b': ALL } }));
  t.like(refusal(await lost.end()), {
    code: PERMISSION_DENIED,
    reason: 'PERMISSION_DENIED',
    message: 'no right to watch all that begins with "team/a/"',
  });
  t.is(lost.log.at(-1), 'closing');
  const { position } = await ann.set({ contextId: 'team/b', value: { n: 1 } });
  await kept.at('team/b', position);
  const below = await bob.set({ contextId: 'team/b/x', value: { n: 1 } });
  await others.at('team/b/x', below.position);
  t.true((await ann.set({ contextId: 'team/a', value: {} })).changed);
});

test('an export ends when its right is taken, and takes no more contexts', async (t) => {
  let saved = 0;
  let [began, release] = [() => {}, () => {}];
  const beginning = new Promise<void>((resolve) => (began = resolve));
  const released = new Promise<void>((resolve) => (release = resolve));
  const provider: Provider = {
    async save() {
      saved++;
      began();
      await released;
    },
    load: async () => null,
    async *list() {},
    delete: async () => false,
    close: async () => {},
  };
  const { as, chord, tokens, rulesFile } = await guarded(t, { ann: { '': ALL } }, { provider });
  const ann = as(tokens.ann);
  for (let n = 0; n < 100; n++) await ann.set({ contextId: `c${n}`, value: {} });
  const exporting = refused(ann.transfer(TransferServiceService.exportContexts, { prefix: '' }));
  await beginning;
  await replace(rulesFile, rulesOf({ ann: { '': ['read', 'write'] } }));
  await chord.reload();
  t.like(await exporting, { code: PERMISSION_DENIED, message: 'no right to export all that begins with ""' });
  const before = saved;
  release();
  await chord.close();
  t.true(before < 20);
  t.true(saved <= before + 8, `${saved} after ${before}`);
});

test('a reader that stalls is closed like any other', async (t) => {
  const { as, tokens, rulesFile } = await guarded(t, { ann: { '': ALL }, bob: { '': ALL } });
  const [ann, bob] = [as(tokens.ann), as(tokens.bob)];
  const slow = new Reader(ann, { prefix: '' });
  await slow.caughtUp();
  slow.call.pause();
  for (let n = 0; n < 200; n++) await bob.set({ contextId: `c${n}`, value: { text: 'x'.repeat(10_000) } });
  await replace(rulesFile, rulesOf({ bob: { '': ALL } }));
  await until(() =>
    ann.list({}).then(
      () => false,
      () => true,
    ),
  );
  slow.call.resume();
  t.is((await slow.end()).code, PERMISSION_DENIED);
});

test('a server whose files or settings do not go together does not start', async (t) => {
  const at = await folder(t);
  const [tokens, rules] = [join(at, 'tokens'), join(at, 'rules')];
  await writeFile(tokens, `ann secret\nbob secret`);
  await writeFile(rules, '{"identities":{}}');
  const start = async (options: object) => {
    const error = await t.throwsAsync(
      startChord({ listen: '127.0.0.1:0', backend: 'memory', logLevel: 'silent', ...options }),
    );
    return error!.message;
  };
  t.regex(
    await start({ authTokens: tokens }),
    /^authRules is missing: .*"rights":\["read","write","watch","admin","export"\]/,
  );
  t.regex(await start({ authRules: rules }), /^authRules needs authTokens, authJwks or authCertificates/);
  t.regex(
    await start({ authTokens: tokens, authRules: rules }),
    /tokens: line 1: expected.*\n.*tokens: line 2: expected/,
  );
  t.regex(await start({ authTokens: join(at, 'none'), authRules: rules }), /^cannot read .*none: ENOENT/);
  const jwks = await start({ authJwks: rules, authRules: rules });
  t.deepEqual(
    jwks.split('\n').map((line) => line.replace(/:.*/, '')),
    ['authJwks needs authJwtIssuer', 'authJwks needs authJwtAudience'],
  );
  t.regex(await start({ authJwtIssuer: 'x' }), /need authJwks/);
  t.regex(await start({ authCertificates: true, authRules: rules }), /^authCertificates needs tlsClientCa/);
});

for (const [who, end] of Object.entries({
  'its client': (call: Call) => call.onCancel(),
  'the server': (call: Call) => call.close(new ChordError('UNAUTHENTICATED', 'expired')),
})) {
  test(`a call that ${who} ends while a middleware still decides goes no further`, async (t) => {
    const seen: string[] = [];
    let decide = () => {};
    const decision = new Promise<void>((resolve) => (decide = resolve));
    const first: Middleware = { enter: () => decision, leave: () => void seen.push('first left') };
    const second: Middleware = { enter: () => void seen.push('second entered') };
    const next = { startRead() {}, sendStatus() {} } as unknown as ConstructorParameters<typeof Call>[0];
    const stream = () => void seen.push('handled');
    const route = { path: '/s/n', service: 's', name: 'n', streams: true, encode: () => Buffer.alloc(0), stream };
    const call = new Call(
      next,
      route,
      new CallPipeline(
        [first, second],
        () => ({ code: UNAUTHENTICATED, details: '', metadata: new Metadata() }),
        (error) => t.fail(String(error)),
      ),
      undefined,
    );
    call.onReceiveMetadata(new Metadata());
    end(call);
    decide();
    await new Promise((resolve) => setImmediate(resolve));
    t.deepEqual(seen, ['first left']);
  });
}

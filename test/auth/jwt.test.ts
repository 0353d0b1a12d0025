/** Signed tokens: what is verified, what is remembered, and every way in which one may be wrong. */
import { createHmac, createPublicKey } from 'node:crypto';
import test from 'ava';
import { base64url, type JWK, UnsecuredJWT } from 'jose';
import { Jwts, parseJwks } from '../../src/auth/jwt.js';
import { digestOf } from '../../src/auth/tokens.js';
import { JWT_ALGORITHMS } from '../../src/config/config.js';
import { AUDIENCE, ISSUER, Issuer } from '../support/jwt.js';

const now = Date.now();
const seconds = () => Math.floor(now / 1000);
const clock = () => now;

function jwts(issuers: readonly Issuer[], options: { claim?: string; algorithms?: string[] } = {}, max?: number): Jwts {
  const settings = { issuer: ISSUER, audience: AUDIENCE, algorithms: JWT_ALGORITHMS, claim: 'sub', clock, ...options };
  return new Jwts(parseJwks(Issuer.jwks(...issuers)), settings, max);
}

const verify = (all: Jwts, token: string) => all.verify(token, digestOf(token));

test('a token of the issuer names its identity, whatever way of signing is allowed', async (t) => {
  for (const algorithm of ['RS256', 'PS384', 'ES256', 'ES512', 'EdDSA', 'Ed25519']) {
    const issuer = await Issuer.create('k', algorithm);
    const all = jwts([issuer]);
    const token = await issuer.sign('ann', {}, seconds() + 60);
    const expected = { name: 'ann', kind: 'jwt', expiresAt: (seconds() + 65) * 1000 } as const;
    t.deepEqual(await verify(all, token), expected, algorithm);
    t.deepEqual(all.find(digestOf(token)), expected);
  }
});

test('every way in which a token may be wrong', async (t) => {
  const [issuer, stranger] = [await Issuer.create('k'), await Issuer.create('k')];
  const all = jwts([issuer]);
  const good = await issuer.sign('ann');
  const [header, payload, signature] = good.split('.') as [string, string, string];
  const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'ann', exp: seconds() + 60 };
  const encode = (value: unknown) => base64url.encode(JSON.stringify(value));
  const unsigned = (alg: string) => `${encode({ alg, kid: 'k' })}.${encode(claims)}.`;
  /** Signed with the public key, as if it were a secret that both sides know. */
  const confused = (secret: string | Buffer) => {
    const input = `${encode({ alg: 'HS256', kid: 'k' })}.${encode(claims)}`;
    return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
  };
  const publicKey = createPublicKey({ key: issuer.jwk as never, format: 'jwk' });
  const rsa = await Issuer.create('k', 'RS256');
  const wrong: Record<string, string | Promise<string>> = {
    'signed by another key': stranger.sign('ann'),
    'another kid': issuer.sign('ann', {}, undefined, { kid: 'other' }),
    'the key in its own header': stranger.sign('ann', {}, undefined, { jwk: stranger.jwk, kid: 'k' }),
    'no signature': unsigned('ES256'),
    none: unsigned('none'),
    NONE: unsigned('NonE'),
    unsecured: new UnsecuredJWT(claims).encode(),
    'HS256 with the public key as PEM': confused(publicKey.export({ type: 'spki', format: 'pem' })),
    'HS256 with the public key as DER': confused(publicKey.export({ type: 'spki', format: 'der' })),
    'HS256 with the public key as JWK': confused(JSON.stringify(issuer.jwk)),
    'HS256 with nothing': confused(''),
    'another kind of key under the same kid': rsa.sign('ann'),
    'another payload': `${header}.${encode({ ...claims, sub: 'root' })}.${signature}`,
    'half a signature': `${header}.${payload}.${signature.slice(0, 40)}`,
    'not three parts': `${header}.${payload}`,
    'five parts': `${good}.x.y`,
    'no base64': `${header}.${payload}+.${signature}`,
    'no JSON': `${header}.${base64url.encode('{')}.${signature}`,
    'a list for a header': `${base64url.encode('[]')}.${payload}.${signature}`,
    dots: '..',
    expired: issuer.sign('ann', {}, seconds() - 6),
    'without exp': issuer.sign('ann', { exp: undefined }),
    'exp that is no number': issuer.sign('ann', { exp: '9999999999' }),
    'not yet': issuer.sign('ann', { nbf: seconds() + 60 }),
    'another issuer': issuer.sign('ann', { iss: 'https://evil.example.com/' }),
    'an issuer that begins alike': issuer.sign('ann', { iss: `${ISSUER}evil` }),
    'without issuer': issuer.sign('ann', { iss: undefined }),
    'another audience': issuer.sign('ann', { aud: 'other' }),
    'without audience': issuer.sign('ann', { aud: undefined }),
    'without a name': issuer.sign('ann', { sub: undefined }),
    'an empty name': issuer.sign(''),
    'a name that is a number': issuer.sign('ann', { sub: 7 }),
    'a name that is a list': issuer.sign('ann', { sub: ['ann'] }),
    everybody: issuer.sign('*'),
    'a name with a zero width': issuer.sign('an\u200bn'),
    'a name that runs backwards': issuer.sign('\u202enna'),
    'a name with a line end': issuer.sign('ann\nbob'),
    'a name with half a surrogate pair': issuer.sign('ann\ud800'),
    'a name beyond measure': issuer.sign('n'.repeat(257)),
  };
  for (const [what, token] of Object.entries(wrong)) {
    const error = await t.throwsAsync(verify(all, await token), { name: 'Error' }, what);
    t.is((error as { expired?: boolean }).expired, what === 'expired', what);
  }
  t.is(all.remembered, 0);
  t.is((await verify(all, good)).name, 'ann');
});

test('names that look alike are others', async (t) => {
  const issuer = await Issuer.create('k');
  const all = jwts([issuer]);
  for (const name of [
    '\u0430nn',
    'caf\u00e9',
    'cafe\u0301',
    'Ann',
    ' ann',
    'ann@example.com',
    'anonymous',
    '__proto__',
  ]) {
    t.is((await verify(all, await issuer.sign(name))).name, name);
  }
});

test('the audience may be one of several, and clocks may differ a little', async (t) => {
  const issuer = await Issuer.create('k');
  const all = jwts([issuer]);
  const claims = { aud: ['other', AUDIENCE], nbf: seconds() + 4 };
  t.is((await verify(all, await issuer.sign('ann', claims, seconds() - 4))).name, 'ann');
});

test('an algorithm that the settings do not name is refused, though the key would fit', async (t) => {
  const issuer = await Issuer.create('k', 'RS256');
  const all = jwts([issuer], { algorithms: ['PS256', 'ES256'] });
  await t.throwsAsync(verify(all, await issuer.sign('ann')), { message: /alg/ });
});

test('another claim may name the identity; an unverified address may not', async (t) => {
  const issuer = await Issuer.create('k');
  const all = jwts([issuer], { claim: 'email' });
  const email = 'ann@example.com';
  t.is((await verify(all, await issuer.sign('1', { email }))).name, email);
  t.is((await verify(all, await issuer.sign('1', { email, email_verified: true }))).name, email);
  await t.throwsAsync(verify(all, await issuer.sign('1', { email, email_verified: false })), {
    message: /not verified/,
  });
  await t.throwsAsync(verify(all, await issuer.sign('1')), { message: /email/ });
});

test('what is remembered is bounded, and bad tokens are not', async (t) => {
  const issuer = await Issuer.create('k');
  const all = jwts([issuer], {}, 10);
  const tokens = await Promise.all(Array.from({ length: 30 }, (_, n) => issuer.sign(`n${n}`)));
  for (const token of tokens) await verify(all, token);
  t.is(all.remembered, 10);
  t.is(all.find(digestOf(tokens[29]!))?.name, 'n29');
  t.is(all.find(digestOf(tokens[0]!)), undefined);
  for (let n = 0; n < 3000; n++) await t.throwsAsync(verify(all, `${tokens[0]}${n}`));
  t.is(all.remembered, 10);
});

test('keys that change while a signature is verified count', async (t) => {
  const [first, second] = [await Issuer.create('k'), await Issuer.create('k')];
  const all = jwts([first]);
  const [old, next] = [await first.sign('ann'), await second.sign('ann')];
  await verify(all, old);
  const verifying = verify(all, await first.sign('bob'));
  all.use(parseJwks(Issuer.jwks(second)));
  await t.throwsAsync(verifying);
  t.is(all.remembered, 0);
  t.is(all.find(digestOf(old)), undefined);
  t.is((await verify(all, next)).name, 'ann');
});

test('a file of keys has public ones that can be told apart, or is refused', async (t) => {
  const [a, b] = [await Issuer.create('a'), await Issuer.create('b')];
  const told = (keys: unknown) => t.throws(() => parseJwks(JSON.stringify({ keys })), { name: 'Problems' })!.message;
  const without = ({ kid: _, ...rest }: JWK) => rest;
  t.notThrows(() => parseJwks(JSON.stringify({ keys: [without(a.jwk)] })));
  t.is(told([a.jwk, without(b.jwk)]), 'keys[1] needs a kid, since there are several keys');
  t.regex(
    told([
      { ...a.jwk, d: 'x' },
      { kty: 'oct', k: 'x', kid: 'c' },
    ]),
    /^keys\[0\] is a secret key.*\nkeys\[1\] is a secret key/,
  );
  t.is(
    told([{ kid: 'x' }, null]),
    'keys[0].kty: expected one of RSA, EC, OKP\nkeys[1].kty: expected one of RSA, EC, OKP',
  );
  for (const each of [[], {}, undefined]) t.regex(told(each), /at least one key/);
  t.throws(() => parseJwks('null'), { message: /at least one key/ });
  t.throws(() => parseJwks('-----BEGIN PUBLIC KEY-----'), { message: /^is not JSON/ });
});

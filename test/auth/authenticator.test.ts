/** Tokens and rules of the moment, without a network. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import { Access } from '../../src/auth/authenticator.js';
import { newToken, tokenLine } from '../../src/auth/tokens.js';
import { ALL, folder, replace, rulesOf } from '../support/access.js';

const NONE = {
  ...{ authTokens: '', authRules: '', authJwks: '', authCertificates: false, tlsClientCa: '' },
  ...{ authJwtIssuer: '', authJwtAudience: '', authJwtAlgorithms: [], authJwtClaim: 'sub' },
};

const SILENT = { reloaded() {}, failed() {}, refused() {} };

test('files that become unfit for use are told, and change nothing', async (t) => {
  const at = await folder(t);
  const [authTokens, authRules] = [join(at, 'tokens'), join(at, 'rules')];
  const token = newToken();
  await writeFile(authTokens, tokenLine('ann', token));
  await writeFile(authRules, rulesOf({ ann: { a: ALL } }));
  const told: string[] = [];
  const events = {
    ...SILENT,
    reloaded: (path: string) => void told.push(path),
    failed: (error: Error) => void told.push(error.message),
  };
  const access = await Access.open({ ...NONE, authTokens, authRules }, Date.now, events);
  t.teardown(() => access.close());
  let changes = 0;
  access.onChange(() => changes++);

  await Promise.all([replace(authTokens, 'ann secret'), replace(authRules, '{}')]);
  await access.reload();
  t.is(told.length, 2);
  t.true(told.some((each) => each.startsWith(`${authTokens}: line 1: `)));
  t.true(told.includes(`${authRules}: identities: expected an object`));
  t.is(changes, 0);
  const ann = await access.identify(`Bearer ${token}`, () => undefined);
  t.deepEqual(ann, { name: 'ann', kind: 'token' });
  t.true(access.allow(ann, 'write', 'id', 'a'));

  await replace(authRules, rulesOf({ ann: { b: ALL } }));
  await access.reload();
  t.true(told.includes(authRules));
  t.is(changes, 1);
  t.false(access.allow(ann, 'write', 'id', 'a'));
});

test('where nobody has a token, headers are none of our business', async (t) => {
  const access = await Access.open({ ...NONE, authCertificates: true }, Date.now, SILENT);
  const api = { name: 'spiffe://prod/api', kind: 'certificate' } as const;
  t.is(await access.identify('Basic of-a-proxy', () => api), api);
});

test('without rules nobody may do anything', async (t) => {
  const access = await Access.open(NONE, Date.now, SILENT);
  t.false(access.allow({ name: 'ann', kind: 'token' }, 'read', 'id', 'a'));
  const error = t.throws(() => access.identify(undefined, () => undefined));
  t.like(error, { reason: 'UNAUTHENTICATED' });
});

/** Rights inside documents, case by case: what a caller reads and writes of a document, and what ends when its rights change. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import type { Mutation } from '../../src/gen/chord/v1/model.js';
import type { WatchContextsResponse } from '../../src/gen/chord/v1/sync_service.js';
import type { Json } from '../../src/model/model.js';
import { ALL, folder, guardedBy, replace } from '../support/access.js';
import { refusal, refused, watch } from '../support/chord.js';
import { AUDIENCE, ISSUER, Issuer } from '../support/jwt.js';

const PERMISSION_DENIED = 7;
const contextId = 'room:1';
const OWN = { context: 'room:', path: ['members', '{identity}'], rights: ['read', 'write', 'watch'] };
const whole = { prefix: '', rights: ALL };
const pad = 'x'.repeat(300);

const rulesOf = (grants: Record<string, object[]>): string => {
  const identities = Object.entries(grants).map(([name, some]) => [name, { grants: some }]);
  return JSON.stringify({ identities: Object.fromEntries(identities) });
};
const set = (path: string[], value: Json): Mutation => ({ path, operation: { $case: 'set', value }, ttl: undefined });

test('each member reads and writes its own part, and makes what leads to it', async (t) => {
  const rules = rulesOf({ admin: [whole], ann: [OWN], bob: [OWN] });
  const { as, tokens } = await guardedBy(t, ['admin', 'ann', 'bob'], rules);
  const [admin, ann, bob] = [as(tokens.admin), as(tokens.ann), as(tokens.bob)];
  const here = {
    contextId,
    allowMissing: true,
    returning: { context: true, delta: true, oldValues: true, format: '' },
  };
  const first = await ann.update({ ...here, mutations: [set(['members', 'ann'], { at: 1 })] });
  t.deepEqual(first.context!.value, { members: { ann: { at: 1 } } });
  const second = await bob.update({ ...here, changes: { members: { bob: { at: 2 } } } });
  t.deepEqual(second.context!.value, { members: { bob: { at: 2 } } });
  t.deepEqual(
    second.delta!.changes.map(({ path }) => path),
    [['members', 'bob']],
  );
  t.deepEqual(await admin.document(contextId), { members: { ann: { at: 1 }, bob: { at: 2 } } });

  const denied = await refused(bob.update({ contextId, mutations: [set(['members', 'bob'], 3), set(['topic'], 'x')] }));
  t.like(denied, { code: PERMISSION_DENIED, message: 'no right to write ["topic"] in "room:1"' });
  const all = await refused(bob.set({ contextId, value: { members: { bob: 1 } } }));
  t.like(all, { code: PERMISSION_DENIED, message: 'no right to write the whole of "room:1"' });
  t.is((await refused(bob.export({ contextId }))).code, PERMISSION_DENIED);
  t.deepEqual(await bob.document(contextId), { members: { bob: { at: 2 } } });

  // A value that would give way to an object lies outside.
  await admin.set({ contextId, value: { members: 'none' } });
  const leaving = await refused(bob.update({ contextId, changes: { members: { bob: 1 } } }));
  t.like(leaving, { code: PERMISSION_DENIED, message: 'no right to change ["members"], which is no object' });
  t.deepEqual(await admin.document(contextId), { members: 'none' });
  const update = { ...(await emptyUpdate()), contextId, changes: { members: { bob: 1 } } };
  const batch = await refused(bob.batch({ writes: [{ write: { $case: 'update', value: update } }] }));
  t.is(batch.code, PERMISSION_DENIED);
  t.deepEqual(await admin.document(contextId), { members: 'none' });
  t.deepEqual(await bob.document(contextId), {});
});

async function emptyUpdate() {
  const { UpdateContextRequest } = await import('../../src/gen/chord/v1/context_service.js');
  return UpdateContextRequest.decode(new Uint8Array());
}

test('a large write stays within its part, too', async (t) => {
  const { as, tokens } = await guardedBy(t, ['admin', 'ann'], rulesOf({ admin: [whole], ann: [OWN] }));
  const [admin, ann] = [as(tokens.admin), as(tokens.ann)];
  const many = Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, 'x'.repeat(100)]));
  await admin.set({ contextId, value: { members: pad } });
  t.is((await refused(ann.update({ contextId, changes: { members: { ann: many } } }))).code, PERMISSION_DENIED);
  t.deepEqual(await admin.document(contextId), { members: pad });
  await admin.set({ contextId, value: { members: {}, secret: many } });
  t.true((await ann.update({ contextId, changes: { members: { ann: many } } })).changed);
  t.deepEqual(await ann.document(contextId), { members: { ann: many } });
});

test('grants add up: a context of a prefix is read as far as any grant goes', async (t) => {
  const reads = ['read', 'watch'];
  const grants = [
    { context: '', path: ['a'], rights: reads },
    { context: 'room:1', path: ['b', 'c'], rights: reads },
    { context: 'room:2', rights: reads },
  ];
  const { as, tokens } = await guardedBy(t, ['admin', 'ann'], rulesOf({ admin: [whole], ann: grants }));
  const [admin, ann] = [as(tokens.admin), as(tokens.ann)];
  const value = { a: 1, b: { c: 2, d: 3 }, e: 4 };
  for (const id of ['room:1', 'room:2', 'room:3']) await admin.set({ contextId: id, value });
  const expected = { 'room:1': { a: 1, b: { c: 2 } }, 'room:2': value, 'room:3': { a: 1 } };
  const { contexts } = await ann.list({ prefix: 'room:', includeValues: true });
  t.deepEqual(Object.fromEntries(contexts.map((each) => [each.contextId, each.value])), expected);
  const reader = watch(t, ann, { prefix: 'room:' });
  await reader.caughtUp();
  t.deepEqual(Object.fromEntries([...reader.copies].map(([id, copy]) => [id, copy.value])), expected);
});

test('watch: a change elsewhere moves the position, and says nothing of itself', async (t) => {
  const { as, tokens } = await guardedBy(t, ['admin', 'ann'], rulesOf({ admin: [whole], ann: [OWN] }));
  const [admin, ann] = [as(tokens.admin), as(tokens.ann)];
  await admin.set({ contextId, value: { members: { ann: 1, bob: 1 }, pad } });
  const stream = ann.watch({
    subscriptions: [{ target: { $case: 'contextId', value: contextId }, known: new Map(), paths: [] }],
  });
  stream.on('error', () => {});
  t.teardown(() => stream.cancel());
  const events: WatchContextsResponse[] = [];
  const came = async (count: number) => {
    while (events.length < count) await new Promise<void>((resolve) => stream.once('data', () => resolve()));
  };
  stream.on('data', (event: WatchContextsResponse) => events.push(event));
  await came(2);
  const annotations = new Map([['why', 'secret']]);
  await admin.update({ contextId, changes: { members: { bob: 2 } }, annotations });
  await admin.update({ contextId, changes: { members: { ann: 2, bob: 3 } }, annotations });
  await came(4);
  const deltas = events.flatMap(({ event }) => (event?.$case === 'delta' ? [event.value] : []));
  t.deepEqual(
    deltas.map(({ changes, to, provenance }) => [to!.version, changes.map(({ path }) => path), provenance?.author]),
    [
      [2, [], undefined],
      [3, [['members', 'ann']], 'admin'],
    ],
  );
});

test('a stream ends when the rights inside documents change, and no other does', async (t) => {
  const other = { ...OWN, path: ['topic'] };
  const rules = rulesOf({ admin: [whole], ann: [OWN], bob: [OWN] });
  const { as, tokens, chord, rulesFile } = await guardedBy(t, ['admin', 'ann', 'bob'], rules);
  const admin = as(tokens.admin);
  await admin.set({ contextId, value: { members: { ann: 1, bob: 1 }, topic: 't' } });
  const bob = watch(t, as(tokens.bob), { id: contextId });
  await bob.caughtUp();
  for (const grants of [[OWN, other], [whole], [other], [OWN]]) {
    const ann = watch(t, as(tokens.ann), { id: contextId });
    await ann.caughtUp();
    await replace(rulesFile, rulesOf({ admin: [whole], ann: grants, bob: [OWN] }));
    await chord.reload();
    const { code, message } = refusal(await ann.end());
    t.is(code, PERMISSION_DENIED);
    t.is(message, 'the rights inside documents have changed: begin again, without known positions');
  }
  const { position } = await admin.update({ contextId, changes: { members: { bob: 2 } } });
  await bob.at(contextId, position);
  t.deepEqual(bob.copies.get(contextId)!.value, { members: { bob: 2 } });
});

test('a path names claims of signed tokens, also claims that no rule named before', async (t) => {
  const issuer = await Issuer.create('k');
  const authJwks = join(await folder(t), 'jwks.json');
  await writeFile(authJwks, Issuer.jwks(issuer));
  const settings = { authJwks, authJwtIssuer: ISSUER, authJwtAudience: AUDIENCE };
  const team = (claim: string) => ({ context: 'room:', path: ['teams', `{claim.${claim}}`], rights: ['read'] });
  const rules = (claim: string) => rulesOf({ admin: [whole], '*': [team(claim)] });
  const { as, tokens, chord, rulesFile } = await guardedBy(t, ['admin'], rules('team'), settings);
  const teams = { red: 1, blue: 2, '': 3, undefined: 4 };
  await as(tokens.admin).set({ contextId, value: { teams } });
  const ann = as(await issuer.sign('ann', { team: 'red', group: 'blue', levels: ['red'] }));
  t.deepEqual(await ann.document(contextId), { teams: { red: 1 } });
  await replace(rulesFile, rules('group'));
  await chord.reload();
  t.deepEqual(await ann.document(contextId), { teams: { blue: 2 } });
  for (const claims of [{}, { group: '' }, { group: ['blue'] }, { team: 'red' }]) {
    const peer = as(await issuer.sign('bob', claims));
    t.is((await refused(peer.get({ contextId }))).code, PERMISSION_DENIED, JSON.stringify(claims));
  }
  for (const claim of ['levels', 'constructor', '__proto__']) {
    await replace(rulesFile, rules(claim));
    await chord.reload();
    t.is((await refused(ann.get({ contextId }))).code, PERMISSION_DENIED, claim);
  }
});

test('a format without splices has whole values, also where a projection changes its shape', async (t) => {
  const grant = { context: 'room:', path: ['a', 'b'], rights: ['read'] };
  const second = { context: 'room:', path: ['text'], rights: ['read'] };
  const { as, tokens } = await guardedBy(t, ['admin', 'ann'], rulesOf({ admin: [whole], ann: [grant, second] }));
  const [admin, ann] = [as(tokens.admin), as(tokens.ann)];
  await admin.set({ contextId, value: { a: 'no object', text: pad, pad } });
  const known = (await admin.get({ contextId })).context!.position!;
  const mutations: Mutation[] = [
    set(['a'], { b: 1, c: 2 }),
    { path: ['text'], operation: { $case: 'appendText', value: '!' }, ttl: undefined },
  ];
  await admin.update({ contextId, mutations });
  const { result } = await ann.sync({ contextId, known, format: 'merge_patch' });
  t.like(result, { $case: 'delta', value: { formatted: { a: { b: 1 }, text: `${pad}!` } } });
  const page = await ann.deltas({ contextId, fromVersion: 1, format: 'merge_patch' });
  t.deepEqual(page.deltas[0]!.formatted, { a: { b: 1 }, text: `${pad}!` });
});

test('a condition on what a caller may not read is denied, whatever holds', async (t) => {
  const rules = rulesOf({ admin: [whole], ann: [OWN], eve: [{ prefix: '', rights: ['write'] }] });
  const { as, tokens } = await guardedBy(t, ['admin', 'ann', 'eve'], rules);
  const [admin, ann, eve] = [as(tokens.admin), as(tokens.ann), as(tokens.eve)];
  const { position: since } = await admin.set({ contextId, value: { members: { ann: 1 }, secret: 7 } });
  const mutations = [set(['members', 'ann'], 2)];
  for (const at of [['secret'], ['members'], ['absent']]) {
    const path = { keys: at };
    for (const value of [7, 8]) {
      const checks = [{ path, test: { $case: 'equals' as const, value } }];
      for (const peer of [ann, eve]) {
        const { code } = await refused(
          peer.update({ contextId, mutations, expected: { condition: undefined, checks } }),
        );
        t.is(code, PERMISSION_DENIED);
        t.is((await refused(peer.wait({ contextId, until: checks }))).code, PERMISSION_DENIED);
      }
    }
    const unchanged = { $case: 'unchanged' as const, value: { since, paths: [path] } };
    const { code } = await refused(
      ann.update({ contextId, mutations, expected: { condition: unchanged, checks: [] } }),
    );
    t.is(code, PERMISSION_DENIED);
  }
  const checks = [{ path: { keys: ['members', 'ann'] }, test: { $case: 'equals' as const, value: 1 } }];
  t.true((await ann.update({ contextId, mutations, expected: { condition: undefined, checks } })).changed);
});

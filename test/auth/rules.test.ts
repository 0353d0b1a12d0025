/** Who may do what: prefixes end where segments do, and what no grant gives is denied. */
import test from 'ava';
import fc from 'fast-check';
import type { Identity } from '../../src/auth/identity.js';
import { RIGHTS, type Right, type RightScope } from '../../src/auth/rights.js';
import { AccessRules } from '../../src/auth/rules.js';
import { rulesOf, type Wanted } from '../support/access.js';

function allow(prefix: string, scope: RightScope, target: string): boolean {
  return AccessRules.parse(rulesOf({ ann: { [prefix]: ['read'] } })).allow('ann', 'read', scope, target);
}

test('a prefix covers its segment and what is below it', (t) => {
  const covered = (prefix: string, targets: string[]) => targets.filter((target) => allow(prefix, 'id', target));
  const ids = [
    'team/a',
    'team/a/x',
    'team/a:x',
    'team/ab',
    'team',
    'team/',
    'team/A',
    'team/a.b',
    'team/á',
    'Team/a',
    '',
  ];
  t.deepEqual(covered('team/a', ids), ['team/a', 'team/a/x', 'team/a:x']);
  t.deepEqual(covered('team/', ids), [
    'team/a',
    'team/a/x',
    'team/a:x',
    'team/ab',
    'team/',
    'team/A',
    'team/a.b',
    'team/á',
  ]);
  t.deepEqual(covered('room:', ['room:1', 'room', 'room:', 'rooms:1']), ['room:1', 'room:']);
  t.deepEqual(covered('user-*', ['user-1', 'user-', 'user', 'users-1']), ['user-1', 'user-']);
  t.deepEqual(covered('', ids), ids);
  t.deepEqual(covered('*', ids), ids);
});

test('an id is plain text: nothing is normalised', (t) => {
  t.true(allow('team/a', 'id', 'team/a/../b'));
  t.false(allow('team/b', 'id', 'team/a/../b'));
  t.false(allow('team/a', 'id', 'team//a'));
  t.false(allow('team/a', 'id', './team/a'));
  t.false(allow('caf\u00e9', 'id', 'cafe\u0301'));
  t.false(allow('cafe', 'id', 'cafe\u0301'));
  t.false(allow('team/a', 'id', 'team/a%2Fx'));
  t.false(allow('team/a', 'id', 'team\u2215a'));
});

test('who asks for a prefix asks for every id that may ever begin with it', (t) => {
  t.false(allow('team/a', 'prefix', 'team/a'));
  t.true(allow('team/a', 'prefix', 'team/a/'));
  t.true(allow('team/a', 'prefix', 'team/a:x'));
  t.true(allow('team/a/', 'prefix', 'team/a/'));
  t.false(allow('team/a/', 'prefix', 'team/a'));
  t.true(allow('team/a*', 'prefix', 'team/a'));
  t.false(allow('team/a', 'prefix', ''));
  t.true(allow('', 'prefix', ''));
});

// Few letters, so that prefixes meet; all that ends a segment, and what looks as if it did.
const text = fc.string({ unit: fc.constantFrom('a', 'b', '/', ':', '.', '\u0301'), maxLength: 5 });
const prefix = fc.oneof(
  text,
  text.map((each) => `${each}*`),
);
const wanted: fc.Arbitrary<Wanted> = fc.dictionary(
  fc.constantFrom('ann', 'bob', '*', 'toString'),
  fc.dictionary(prefix, fc.uniqueArray(fc.constantFrom(...RIGHTS), { minLength: 1 }), { maxKeys: 3 }),
);

/** The specification, in the plainest words. */
function specified(rules: Wanted, name: string, right: Right, scope: RightScope, target: string): boolean {
  const grants = [name, '*'].flatMap((each) => (Object.hasOwn(rules, each) ? Object.entries(rules[each]!) : []));
  return grants.some(([granted, rights]) => {
    if (!rights.includes(right)) return false;
    const has = (id: string): boolean => {
      if (granted === '' || granted.endsWith('*')) return id.startsWith(granted.slice(0, -1));
      if (/[/:]$/.test(granted)) return id.startsWith(granted);
      return id === granted || id.startsWith(`${granted}/`) || id.startsWith(`${granted}:`);
    };
    if (scope === 'id') return has(target);
    return ['', 'a', '/', ':', '/b', '\u0301', '*'].every((more) => has(target + more));
  });
}

test('rules allow what the specification does, and nothing else', (t) => {
  const name = fc.constantFrom('ann', 'bob', 'eve', 'toString', '__proto__');
  const asked = fc.tuple(name, fc.constantFrom(...RIGHTS), fc.constantFrom<RightScope>('id', 'prefix'), text);
  fc.assert(
    fc.property(wanted, fc.array(asked, { minLength: 20, maxLength: 20 }), (rules, all) => {
      const parsed = AccessRules.parse(rulesOf(rules));
      return all.every((each) => parsed.allow(...each) === specified(rules, ...each));
    }),
    { numRuns: 2000 },
  );
  t.pass();
});

test('everything that is wrong with the rules is told, with its place', (t) => {
  const told = (json: unknown) =>
    t.throws(() => AccessRules.parse(JSON.stringify(json)), { name: 'Problems' })!.message.split('\n');
  t.deepEqual(told([]), ['expected an object with identities', 'identities: expected an object']);
  const json = {
    identites: {},
    identities: {
      ann: { grants: [{ prefix: 'a*b', rights: ['read', 'fly'] }, { prefix: 7, rights: [] }, 'all'], groups: [] },
      'b\u200bob': { grants: [] },
      eve: { grants: { prefix: '' }, limits: { stream: 1 } },
      '*': { grants: [{ prefix: `${'x'.repeat(513)}`, rights: ['read'], deny: true }] },
    },
  };
  const problems = told(json);
  const expected = [
    'there is no "identites" here, only identities',
    'identities.ann: there is no "groups" here, only grants, limits',
    'identities.ann.grants[0].rights: expected a list of read, write, watch, admin, export, got ["read","fly"]',
    'identities.ann.grants[0].prefix: a * has its meaning at the end only, got "a*b"',
    'identities.ann.grants[1].rights: expected a list of read, write, watch, admin, export, got []',
    'identities.ann.grants[1].prefix: expected a text, "" for all contexts, got 7',
    'identities.ann.grants[2]: expected an object with prefix and rights',
    'identities: "b\u200bob": a name has no invisible characters',
    'identities.eve.grants: expected a list of {"prefix": ..., "rights": [...]}',
    'identities.eve.limits: there is no limit stream, only streams',
    'identities.*.grants[0]: there is no "deny" here, only prefix, rights',
    'identities.*.grants[0].prefix: is longer than 512 bytes',
  ];
  for (const line of expected)
    t.truthy(
      problems.find((each) => each.startsWith(line)),
      `${line}\n\n${problems.join('\n')}`,
    );
  t.throws(() => AccessRules.parse('{"identities":'), { message: /^is not JSON: / });
});

const ann = (name: string, claims: Record<string, string> = {}): Identity => {
  return { name, kind: 'jwt', claims: new Map(Object.entries(claims)) };
};

test('a grant with a path gives nothing of whole documents, and its path is that of the caller', (t) => {
  const rules = AccessRules.parse(
    JSON.stringify({
      identities: {
        '*': {
          grants: [
            { context: 'room:', path: ['members', '{identity}'], rights: ['read', 'write'] },
            { prefix: 'room:1', path: ['teams', 'team-{claim.team}-x', 'a.b'], rights: ['read'] },
            { prefix: 'room:2', rights: ['read'] },
          ],
        },
      },
    }),
  );
  t.deepEqual([...rules.claims], ['team']);
  t.false(rules.allow('ann', 'read', 'id', 'room:1'));
  t.true(rules.allow('ann', 'read', 'id', 'room:2'));
  const paths = (identity: Identity, right: Right, target: string, scope: RightScope = 'id') =>
    rules.parts(identity, right, scope, target)?.paths;
  t.deepEqual(paths(ann('ann', { team: 't' }), 'read', 'room:1'), [
    ['members', 'ann'],
    ['teams', 'team-t-x', 'a.b'],
  ]);
  t.deepEqual(paths(ann('{claim.team}'), 'read', 'room:1'), [['members', '{claim.team}']]);
  for (const claims of [{}, { team: '' }, { Team: 't' }]) {
    t.deepEqual(paths(ann('ann', claims), 'read', 'room:1'), [['members', 'ann']]);
  }
  t.deepEqual(paths(ann('ann'), 'read', 'room:', 'prefix'), [['members', 'ann']]);
  t.is(paths(ann('ann'), 'watch', 'room:1'), undefined);
  t.is(paths(ann('ann'), 'read', 'room', 'prefix'), undefined);
  const rights = rules.rightsOf(ann('ann'));
  t.is(rights.partsOf('read', 'room:2'), undefined);
  t.deepEqual(rights.partsOf('read', 'other')!.paths, []);
  t.is(rights.key, rules.rightsOf(ann('ann')).key);
  t.not(rights.key, rules.rightsOf(ann('ann', { team: 't' })).key);
  t.not(rights.key, rules.rightsOf(ann('bob')).key);
});

test('a path that means nothing is refused, with its place', (t) => {
  const problem = (grant: object) => {
    const json = JSON.stringify({ identities: { ann: { grants: [grant] } } });
    return t.throws(() => AccessRules.parse(json), { name: 'Problems' })!.message;
  };
  const at = 'identities.ann.grants[0]';
  const grant = { context: 'room:', rights: ['read'] };
  for (const path of [[], 'members', [1], {}, null, ['a', null]]) {
    t.is(
      problem({ ...grant, path }),
      `${at}.path: expected a list of keys, ["members", "{identity}"]; leave it out for whole documents, got ${JSON.stringify(path)}`,
    );
  }
  for (const key of ['{name}', '{claim.}', '{identity}{identity}', '{', 'a}', '{claim.a{identity}}', '{{identity}}']) {
    const why = `${JSON.stringify(key)}: braces stand for {identity} or {claim.NAME} alone, once in a key`;
    t.is(problem({ ...grant, path: ['m', key] }), `${at}.path: ${why}, got ${JSON.stringify(['m', key])}`);
  }
  t.regex(problem({ ...grant, path: Array(33).fill('a') }), /path: is longer than 32 keys/);
  t.is(
    problem({ ...grant, rights: ['read', 'admin', 'export'], path: ['m'] }),
    `${at}.rights: admin and export are of whole documents: a grant with a path gives read, write, watch`,
  );
  t.regex(problem({ ...grant, context: 'user:{identity}' }), /context: what authentication said stands in a path only/);
  t.regex(problem({ ...grant, prefix: 'room:' }), /grants\[0\]: prefix and context are the same, give one/);
});

test('limits stand beside the grants, and those of everybody count where an identity has none', (t) => {
  const rules = AccessRules.parse(
    '{"identities":{"ann":{"grants":[],"limits":{"streams":2}},"*":{"grants":[],"limits":{"streams":1}},"bob":{"grants":[]}}}',
  );
  t.deepEqual(
    [rules.limits('ann'), rules.limits('bob'), rules.limits('eve')],
    [{ streams: 2 }, { streams: 1 }, { streams: 1 }],
  );
});

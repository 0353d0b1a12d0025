/** Who may call what: every call of every service, for every right and prefix, against a table of its own. */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import test, { type ExecutionContext } from 'ava';
import fc from 'fast-check';
import { service as Health } from 'grpc-health-check';
import { RIGHTS, type Right } from '../../src/auth/rights.js';
import { METHODS } from '../../src/grpc/methods.js';
import { temporaryDirectory } from '../store/lmdb/directories.js';
import { ALL, guarded, guardedBy, type Wanted } from '../support/access.js';
import { bytesOf, type Method, type Peer, type Refusal, refusal } from '../support/chord.js';

const PERMISSION_DENIED = 7;
const UNAUTHENTICATED = 16;

/** Called by Chord, and served by others. */
const NOT_OURS = ['chord.v1.ExternalStoreService'];

type AnyMethod = MethodDefinition<never, unknown> & Method<object, unknown>;

/** All that the generated definitions know of, by `service/method`. */
async function generated(): Promise<Map<string, AnyMethod>> {
  const folder = new URL('../../src/gen/chord/v1/', import.meta.url);
  const files = readdirSync(folder).filter((name) => name.endsWith('_service.ts'));
  const modules = await Promise.all(files.map((name) => import(new URL(name, folder).href)));
  const definitions = modules.flatMap((module) =>
    Object.entries(module).flatMap(([name, each]) =>
      name.endsWith('ServiceService') ? [each as ServiceDefinition] : [],
    ),
  );
  const methods = definitions.flatMap((definition) => Object.values(definition)) as AnyMethod[];
  const named = methods.map((method) => [method.path.slice(1), method] as const);
  return new Map(named.filter(([path]) => !NOT_OURS.includes(path.split('/')[0]!)));
}

test('every call of every service says which rights it needs, and no other does', async (t) => {
  const named = Object.entries(METHODS).flatMap(([service, calls]) =>
    Object.keys(calls).map((each) => `${service}/${each}`),
  );
  const health = Object.values(Health as ServiceDefinition).map(({ path }) => path.slice(1));
  const reflection = ['v1', 'v1alpha'].map((each) => `grpc.reflection.${each}.ServerReflection/ServerReflectionInfo`);
  const served = [...(await generated()).keys(), ...health, ...reflection];
  t.true(served.length > 20);
  t.deepEqual(named.sort(), served.sort());
});

/** What became of a call: undefined where it was let in and did its work. */
function outcome(peer: Peer, method: AnyMethod, request: object): Promise<Refusal | undefined> {
  const bytes = bytesOf<object>(method, request);
  const same = (each: Buffer) => each;
  return new Promise((resolve) => {
    if (!method.responseStream) {
      peer.client.makeUnaryRequest(method.path, same, same, bytes, peer.metadata, (error) =>
        resolve(error ? refusal(error) : undefined),
      );
      return;
    }
    const stream = peer.client.makeServerStreamRequest(method.path, same, same, bytes, peer.metadata, {});
    stream.on('error', (error) => resolve(refusal(error as never)));
    stream.once('data', () => {
      stream.cancel();
      resolve(undefined);
    });
  });
}

type SpecifiedCall = readonly [call: string, request: object, needs: readonly Right[], target: string, whole: boolean];

/** The specification: what each call needs of whom it names. */
function calls(target: string): SpecifiedCall[] {
  const contextId = target;
  const prefix = target;
  const returning = (what: object) => ({
    contextId,
    returning: { context: false, delta: false, oldValues: false, format: '', ...what },
  });
  const one = (call: string, needs: Right[], request: object = { contextId }): SpecifiedCall => [
    call,
    request,
    needs,
    target,
    false,
  ];
  const many = (call: string, needs: Right[], request: object = { prefix }): SpecifiedCall => [
    call,
    request,
    needs,
    target,
    true,
  ];
  const all = (call: string, needs: Right[] = ['admin'], request: object = {}): SpecifiedCall => [
    call,
    request,
    needs,
    '',
    true,
  ];
  const batch = ($case: string, value: object, ...more: object[]) => {
    const empty = {
      expected: undefined,
      requestId: '',
      annotations: new Map(),
      ttl: undefined,
      returning: undefined,
      mutations: [],
      paths: [],
      version: 1,
    };
    return { writes: [{ write: { $case, value: { ...empty, ...value } } }, ...more] };
  };
  const watching = ($case: string) => ({
    subscriptions: [{ target: { $case, value: target }, known: new Map(), paths: [] }],
  });
  return [
    one('chord.v1.ContextService/SetContext', ['write']),
    one('chord.v1.ContextService/SetContext', ['write', 'read'], returning({ context: true })),
    one('chord.v1.ContextService/UpdateContext', ['write'], returning({ oldValues: true })),
    one('chord.v1.ContextService/UpdateContext', ['write', 'read'], returning({ delta: true })),
    one('chord.v1.ContextService/RevertContext', ['write']),
    one('chord.v1.ContextService/RevertContext', ['write', 'read'], returning({ delta: true })),
    one('chord.v1.ContextService/DeleteContext', ['write']),
    one('chord.v1.ContextService/TouchContext', ['write']),
    one('chord.v1.ContextService/BatchWrite', ['write'], batch('delete', { contextId })),
    one('chord.v1.ContextService/BatchWrite', ['write'], batch('touch', { contextId })),
    one('chord.v1.ContextService/BatchWrite', ['write'], batch('set', { contextId })),
    one('chord.v1.ContextService/BatchWrite', ['write', 'read'], batch('update', returning({ delta: true }))),
    one('chord.v1.ContextService/BatchWrite', ['write', 'read'], batch('revert', returning({ context: true }))),
    [
      'chord.v1.ContextService/BatchWrite',
      batch('delete', { contextId }, { write: undefined }),
      ...([['write'], '', true] as const),
    ],
    one('chord.v1.ContextService/GetContext', ['read']),
    many('chord.v1.ContextService/ListContexts', ['read']),
    one('chord.v1.SyncService/SyncContext', ['read']),
    one('chord.v1.SyncService/ListDeltas', ['read']),
    one('chord.v1.SyncService/BlameContext', ['read']),
    // Without a check, which is refused: nothing is waited for.
    one('chord.v1.SyncService/WaitContext', ['watch']),
    one('chord.v1.SyncService/WatchContexts', ['watch'], watching('contextId')),
    many('chord.v1.SyncService/WatchContexts', ['watch'], watching('prefix')),
    many('chord.v1.CleanupService/RunCleanup', ['admin']),
    all('chord.v1.CleanupService/StartCleanup'),
    all('chord.v1.CleanupService/StopCleanup'),
    all('chord.v1.CleanupService/UpdateCleanup'),
    all('chord.v1.CleanupService/GetCleanup'),
    // An interval that is refused, by those who are let in: the others wait for nothing.
    all('chord.v1.AdminService/WatchStats', ['admin'], { interval: { seconds: 0, nanos: 1 } }),
    one('chord.v1.TransferService/ExportContext', ['export']),
    one('chord.v1.TransferService/RestoreContext', ['export', 'write']),
    many('chord.v1.TransferService/ExportContexts', ['export']),
    many('chord.v1.TransferService/RestoreContexts', ['export', 'write']),
    all('chord.v1.AdminService/Backup', ['admin', 'read']),
  ];
}

function specified(wanted: Wanted, name: string, [, , needs, target, whole]: SpecifiedCall): boolean {
  const targets = whole ? ['', 'b', '/', ':x'].map((more) => target + more) : [target];
  const grants = [name, '*'].flatMap((each) => Object.entries(wanted[each] ?? {}));
  const has = (prefix: string, id: string) =>
    prefix === '' || /[/:]$/.test(prefix)
      ? id.startsWith(prefix)
      : id === prefix || (/^[/:]/.test(id.slice(prefix.length)) && id.startsWith(prefix));
  return needs.every((right) =>
    grants.some(([prefix, rights]) => rights.includes(right) && targets.every((id) => has(prefix, id))),
  );
}

const TARGETS = ['team/a', 'team/ab', 'team/a/', 'team/a/../b', 'team/a:1', 'room:1', 'room:', 'gone', ''];
const NAMES = ['ann', 'bob', 'eve', '*'];
const prefixes = fc.constantFrom('', 'team', 'team/', 'team/a', 'team/ab', 'room:', 'room', 'gone');
const rights = fc.uniqueArray(fc.constantFrom(...RIGHTS), { minLength: 1 });
const wanted: fc.Arbitrary<Wanted> = fc
  .tuple(...NAMES.map(() => fc.dictionary(prefixes, rights, { maxKeys: 2 })))
  .map((grants) => Object.fromEntries(NAMES.map((name, i) => [name, grants[i]!])));

async function matrix(t: ExecutionContext, rules: Wanted, methods: ReadonlyMap<string, AnyMethod>): Promise<void> {
  const { chord, tokens, as } = await guarded(t, rules);
  for (const name of ['ann', 'bob', 'eve']) {
    const peer = as(tokens[name]);
    const asked = TARGETS.flatMap(calls);
    const became = await Promise.all(asked.map(([call, request]) => outcome(peer, methods.get(call)!, request)));
    asked.forEach((each, i) => {
      const [call, , , target] = each;
      const denied = became[i]?.code === PERMISSION_DENIED;
      if (denied === specified(rules, name, each)) {
        throw new Error(`${name} ${call} on ${JSON.stringify(target)}: ${JSON.stringify(became[i])}`);
      }
      if (became[i]?.code === UNAUTHENTICATED) throw new Error(`${name} was not known`);
      if (denied && became[i]?.reason !== 'PERMISSION_DENIED') throw new Error('denied without a reason');
    });
    peer.client.close();
  }
  await chord.close();
}

test('each identity may call exactly what its rules allow', async (t) => {
  const methods = await generated();
  t.deepEqual([...new Set(calls('x').map(([call]) => call))].sort(), [...methods.keys()].sort());
  await fc.assert(
    fc.asyncProperty(wanted, (rules) => matrix(t, rules, methods)),
    { numRuns: 15 },
  );
});

/** What a right to a part of a document is worth to each call: `part` calls cut down their answers, or name what they touch. */
const PARTS: Readonly<Record<string, 'part' | 'whole'>> = {
  'chord.v1.ContextService/SetContext': 'whole',
  'chord.v1.ContextService/UpdateContext': 'part',
  'chord.v1.ContextService/RevertContext': 'whole',
  'chord.v1.ContextService/DeleteContext': 'whole',
  'chord.v1.ContextService/TouchContext': 'whole', // without paths
  'chord.v1.ContextService/BatchWrite': 'whole', // of a delete
  'chord.v1.ContextService/GetContext': 'part',
  'chord.v1.ContextService/ListContexts': 'part',
  'chord.v1.SyncService/SyncContext': 'part',
  'chord.v1.SyncService/ListDeltas': 'part',
  'chord.v1.SyncService/BlameContext': 'part',
  'chord.v1.SyncService/WaitContext': 'part', // without a check, which is refused
  'chord.v1.SyncService/WatchContexts': 'part',
  'chord.v1.CleanupService/RunCleanup': 'whole',
  'chord.v1.CleanupService/StartCleanup': 'whole',
  'chord.v1.CleanupService/StopCleanup': 'whole',
  'chord.v1.CleanupService/UpdateCleanup': 'whole',
  'chord.v1.CleanupService/GetCleanup': 'whole',
  'chord.v1.AdminService/WatchStats': 'whole',
  'chord.v1.AdminService/Backup': 'whole',
  'chord.v1.TransferService/ExportContext': 'whole',
  'chord.v1.TransferService/RestoreContext': 'whole',
  'chord.v1.TransferService/ExportContexts': 'whole',
  'chord.v1.TransferService/RestoreContexts': 'whole',
};

test('every call decides what a right to a part of a document is worth; document-rights.test.ts holds what it answers', async (t) => {
  const methods = await generated();
  t.deepEqual(Object.keys(PARTS).sort(), [...methods.keys()].sort());
  const grants = [{ prefix: '', path: ['p'], rights: ['read', 'write', 'watch'] }];
  const { as, tokens } = await guardedBy(t, ['ann'], JSON.stringify({ identities: { ann: { grants } } }));
  const ann = as(tokens.ann);
  for (const [path, method] of methods) {
    const became = await outcome(ann, method, calls('x').find(([call]) => call === path)![1]);
    t.is(became?.code === PERMISSION_DENIED, PARTS[path] === 'whole', `${path}: ${JSON.stringify(became)}`);
  }
});

test('who shows nothing is not let in anywhere but to health', async (t) => {
  const { as } = await guarded(t, { ann: { '': ALL } });
  const peer = as(undefined);
  for (const method of (await generated()).values()) {
    t.is((await outcome(peer, method, {}))?.code, UNAUTHENTICATED, method.path);
  }
  const health = Object.values(Health as ServiceDefinition) as AnyMethod[];
  for (const method of health) t.is((await outcome(peer, method, { service: '' }))?.code, undefined, method.path);
});

test('a context that is there and one that is not are denied with the same words', async (t) => {
  const { as, tokens } = await guarded(t, { ann: { '': ALL }, eve: { mine: ['read'] } });
  await as(tokens.ann).set({ contextId: 'there', value: { secret: 1 } });
  const eve = as(tokens.eve);
  for (const [path, method] of await generated()) {
    const [there, gone] = await Promise.all(
      ['there', 'gone'].map((target) => outcome(eve, method, calls(target).find(([call]) => call === path)![1])),
    );
    t.is(there?.code, PERMISSION_DENIED, path);
    t.deepEqual(JSON.stringify(there).replaceAll('there', 'X'), JSON.stringify(gone).replaceAll('gone', 'X'), path);
  }
});

/** The status that a reflection stream ends with; 0 for an answer. */
function reflect(peer: Peer, version: string): Promise<number> {
  const path = `/grpc.reflection.${version}.ServerReflection/ServerReflectionInfo`;
  const same = (each: Buffer) => each;
  const call = peer.client.makeBidiStreamRequest(path, same, same, peer.metadata, {});
  call.write(Buffer.from([0x3a, 0])); // list_services
  return new Promise((resolve) => {
    call.on('error', (error) => resolve((error as Error & { code: number }).code));
    call.once('data', () => {
      resolve(0);
      call.end();
    });
  });
}

test('reflection answers whoever is known, whatever its rights', async (t) => {
  const { as, tokens } = await guarded(t, { eve: {} });
  for (const version of ['v1', 'v1alpha']) {
    t.is(await reflect(as(tokens.eve), version), 0);
    t.is(await reflect(as(undefined), version), UNAUTHENTICATED);
  }
});

test('a stream that is refused before it has said anything is logged and noted as any other', async (t) => {
  const auditLog = join(await temporaryDirectory(t), 'audit.log');
  const { chord, as, tokens } = await guarded(t, { ann: { '': ALL } }, { auditLog, logLevel: 'info' });
  t.is(await reflect(as(undefined), 'v1'), UNAUTHENTICATED);
  await as(tokens.ann).set({ contextId: 'a', value: {} });
  await chord.close();
  const [first] = (await readFile(auditLog, 'utf8')).split('\n');
  t.like(JSON.parse(first!), {
    method: 'grpc.reflection.v1.ServerReflection/ServerReflectionInfo',
    outcome: 'UNAUTHENTICATED',
  });
});

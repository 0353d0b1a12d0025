/** The commands of the model test: what each may ask, and how it is done. */
import fc from 'fast-check';
import type { Expected } from '../../src/contexts/writes/conditions.js';
import type { Mutation } from '../../src/contexts/writes/mutations.js';
import type { JsonObject, Position } from '../../src/model/model.js';
import { jsonObject, jsonValue } from '../support/arbitrary.js';
import type { Copy } from '../support/reader.js';
import type { Plain, Write } from './plain.js';
import type { System } from './system.js';

export type Model = Record<string, never>;
export type ModelCommand = fc.AsyncCommand<Model, System>;

/** All can be written together, also on Redis. */
const id = fc.constantFrom('a{t}', 'a:1{t}', 'b{t}');
const key = fc.constantFrom('a', 'b', 'n', 't', 'list', '__proto__', '');
const path = fc.oneof(
  { weight: 20, arbitrary: fc.array(key, { minLength: 1, maxLength: 3, size: 'small' }) },
  { weight: 1, arbitrary: fc.constant([]) },
);
const values = fc.array(jsonValue, { maxLength: 3 });
const SPLICES = new Set(['splice', 'splice_text']);

/** Long enough for splices, now and then; with code points of each length. */
const text = fc.constantFrom(
  '',
  'a',
  '𝄞',
  'e\u0301ß',
  'as much as is kept with its size: '.repeat(8),
  '👩‍👧 𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞𝄞',
);
const number = fc.constantFrom(0, 1, -2, 0.5, Number.MAX_VALUE);
const memberTtl = fc.constantFrom(undefined, undefined, undefined, 1000, 1500, 60_000);
const mutation: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ kind: fc.constant('set' as const), path, value: fc.oneof(jsonValue, number), ttl: memberTtl }),
  fc.record({ kind: fc.constant('remove' as const), path }),
  fc.record({ kind: fc.constant('increment' as const), path: fc.oneof(fc.constant(['n']), path), by: number }),
  fc.record({ kind: fc.constant('append' as const), path: fc.oneof(fc.constant(['list']), path), values }),
  fc.record({
    kind: fc.constant('splice' as const),
    path: fc.oneof(fc.constant(['list']), path),
    index: fc.nat(3),
    removeCount: fc.nat(2),
    insert: values,
  }),
  fc.record({ kind: fc.constant('append_text' as const), path: fc.oneof(fc.constant(['t']), path), text }),
  fc.record({
    kind: fc.constant('splice_text' as const),
    path: fc.oneof(fc.constant(['t']), path),
    index: fc.nat(5),
    removeCount: fc.nat(3),
    insert: text,
  }),
);

/** A position to hand in: one that there once was, perhaps spoiled. */
const pick = fc.record({
  index: fc.nat(30),
  spoil: fc.constantFrom(undefined, undefined, undefined, 'epoch', 'digest', 'ahead', 'version only', 'zero' as const),
});
type Pick = typeof pick extends fc.Arbitrary<infer T> ? T : never;

const checked = fc.array(
  fc.record({
    path: fc.array(key, { minLength: 1, maxLength: 2 }),
    test: fc.oneof(
      fc.record({ kind: fc.constant('equals' as const), value: fc.oneof(jsonValue, number) }),
      fc.record({ kind: fc.constant('exists' as const), yes: fc.boolean() }),
      fc.record({ kind: fc.constantFrom('atLeast' as const, 'atMost' as const), limit: fc.constantFrom(0, 1) }),
    ),
  }),
  { maxLength: 2 },
);
const guarded = fc.record({
  since: pick,
  paths: fc.array(fc.array(key, { minLength: 1, maxLength: 2 }), { maxLength: 3 }),
  checks: fc.option(checked, { nil: undefined }),
});
type Guarded = typeof guarded extends fc.Arbitrary<infer T> ? T : never;
type Asked = Pick | Guarded | 'current' | 'absent' | undefined;

const expected = fc.oneof(
  { weight: 2, arbitrary: guarded },
  { weight: 6, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constant('current' as const) },
  { weight: 1, arbitrary: fc.constant('absent' as const) },
  { weight: 1, arbitrary: pick },
);
const named = {
  id,
  requestId: fc.option(fc.constantFrom('r1', 'r2', 'r3'), { nil: undefined, freq: 4 }),
  annotations: fc.constantFrom(undefined, undefined, { by: 'ann' }, { by: 'bob', why: '' }),
  expected,
};
const options = { ...named, ttl: fc.constantFrom(undefined, undefined, undefined, undefined, 0, 10, 1000) };
const write = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('set' as const), value: jsonObject, ...options }) },
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant('update' as const),
      changes: fc.option(jsonObject, { nil: undefined }),
      mutations: fc.array(mutation, { maxLength: 4 }),
      allowMissing: fc.boolean(),
      ...options,
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('delete' as const), allowMissing: fc.boolean(), ...named }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('repeat' as const), index: fc.nat(5), other: fc.boolean() }) },
);
type RandomWrite = typeof write extends fc.Arbitrary<infer T> ? T : never;

/** In the words of the service, as things stand now. */
function writeOf(asked: RandomWrite, plain: Plain): Write | undefined {
  if (asked.kind === 'repeat') {
    const before = [...plain.requests.values()];
    const again = before[asked.index % Math.max(1, before.length)]?.write;
    return again && asked.other ? { ...again, expected: { kind: 'version', version: 999 } } : again;
  }
  const { expected, ...rest } = asked;
  const write = { ...structuredClone(rest), expected: expectedOf(expected, asked.id, plain) };
  // Guarded splices are carried: laws of their own in test/contexts/writes/, conditions.test.ts and carried-text.test.ts.
  if (write.kind !== 'update' || write.expected?.kind !== 'unchanged') return write;
  return { ...write, mutations: write.mutations.filter(({ kind }) => !SPLICES.has(kind)) };
}

function expectedOf(asked: Asked, id: string, plain: Plain): Expected | undefined {
  if (!asked) return undefined;
  if (typeof asked === 'object' && 'since' in asked) {
    const { paths, checks } = asked;
    const since = positionOf(asked.since, id, plain).position;
    if (since && since.version > 0) return { kind: 'unchanged', since, paths, checks };
    return checks && checks.length > 0 ? { kind: 'checks', checks } : undefined;
  }
  const position =
    asked === 'current'
      ? plain.contexts.get(id)?.position
      : asked !== 'absent' && positionOf(asked, id, plain).position;
  if (!position) return { kind: 'absent' };
  return position.epoch ? { kind: 'position', position } : { kind: 'version', version: position.version };
}

/** A position and, where there was such a state, its document. */
function positionOf({ index, spoil }: Pick, id: string, plain: Plain): { position?: Position; document?: JsonObject } {
  const past = plain.past.get(id) ?? [];
  const state = past[past.length - 1 - (index % Math.max(1, past.length))];
  if (!state) return spoil ? { position: { epoch: 'another1', version: 1 + index, digest: 'another2' } } : {};
  const { position, document } = state;
  if (spoil === 'epoch') return { position: { ...position, epoch: 'another1' } };
  if (spoil === 'digest') return { position: { ...position, digest: 'another2' } };
  if (spoil === 'ahead') return { position: { ...position, version: position.version + 100 } };
  if (spoil === 'zero') return { position: { epoch: '', version: 0, digest: '' } };
  if (spoil === 'version only') {
    const now = plain.contexts.get(id)?.states.get(position.version);
    return { position: { epoch: '', version: position.version, digest: '' }, ...(now && { document: now.document }) };
  }
  return { position, document };
}

/** Each command as data, so that what shrinks can be read. */
function command<T>(name: string, asked: fc.Arbitrary<T>, run: (system: System, asked: T) => Promise<void>) {
  return asked.map(
    (data): ModelCommand => ({
      check: () => true,
      run: (_, system) => run(system, data),
      toString: () => `${name} ${fc.stringify(data)}`,
    }),
  );
}

async function submit(system: System, asked: readonly RandomWrite[]): Promise<void> {
  await system.write(asked.flatMap((one) => writeOf(one, system.plain) ?? []));
}

const targets = fc.constantFrom(['a{t}'], ['a{t}', 'b{t}'], ['*'], ['a*'], ['a:*', 'a:1{t}'], ['zz', 'a*', '*']);

export const commands: fc.Arbitrary<ModelCommand>[] = [
  command('write', fc.tuple(write), submit),
  command('write', fc.tuple(write), submit),
  command('concurrently', fc.array(write, { minLength: 2, maxLength: 8, size: 'max' }), submit),
  command(
    'batch',
    fc.record({ writes: fc.array(write, { minLength: 1, maxLength: 5, size: 'max' }), requestId: named.requestId }),
    async (system, { writes, requestId }) => {
      const [first, ...others] = writes.flatMap((one) => writeOf(one, system.plain) ?? []);
      if (first) await system.batch([first, ...others], requestId);
    },
  ),
  command('touch', fc.record({ id, ttl: options.ttl }), (system, { id, ttl }) => system.touch(id, ttl)),
  command(
    'clock',
    fc.record({
      by: fc.constantFrom(1, 9, 10, 500, 2000, -3, -700),
      how: fc.constantFrom('get', 'sync', 'write', 'sweep'),
    }),
    (system, { by, how }) => system.moveClock(by, how),
  ),
  command(
    'touch members',
    fc.record({ id, picks: fc.array(fc.nat(5), { minLength: 1, maxLength: 3 }), other: path, ttl: memberTtl }),
    (system, { id, picks, other, ttl }) => {
      const known = [...(system.plain.contexts.get(id)?.members.keys() ?? [])];
      return system.touchMembers(
        id,
        picks.map((pick) => (known[pick] === undefined ? other : (JSON.parse(known[pick]) as string[]))),
        ttl,
      );
    },
  ),
  command('get', id, (system, id) => system.get(id)),
  command(
    'list',
    fc.record({ prefix: fc.constantFrom('', 'a', 'a:', 'c'), pageSize: fc.integer({ min: 1, max: 4 }) }),
    (system, { prefix, pageSize }) => system.list(prefix, pageSize),
  ),
  command('sync', fc.record({ id, from: fc.option(pick) }), async (system, { id, from }) => {
    const { position, document } = from ? positionOf(from, id, system.plain) : {};
    await system.sync(id, position, document);
  }),
  command('past', fc.record({ id, version: fc.integer({ min: 1, max: 8 }) }), (system, { id, version }) =>
    system.past(id, version),
  ),
  command(
    'deltas',
    fc.record({ id, from: fc.nat(6), pageSize: fc.integer({ min: 1, max: 5 }) }),
    (system, { id, from, pageSize }) => system.deltas(id, from, pageSize),
  ),
  command(
    'watch',
    fc.record({ targets, known: fc.dictionary(id, pick, { maxKeys: 2 }), stalled: fc.boolean() }),
    async (system, { targets, known, stalled }) => {
      const copies = new Map<string, Copy>();
      for (const [id, from] of Object.entries(known)) {
        const { position, document } = positionOf(from, id, system.plain);
        const watched = targets.some((target) =>
          target.endsWith('*') ? id.startsWith(target.slice(0, -1)) : id === target,
        );
        // One that names only a version cannot tell two lives apart, and is told so in the documentation.
        const whole = position?.epoch || position?.version === 0;
        if (position && whole && watched) copies.set(id, { position, value: document });
      }
      if (system.readers.length < 4) system.watch(targets, copies, stalled);
    },
  ),
  command('drop', fc.nat(3), async (system, index) => {
    const reader = system.readers[index];
    if (reader) await system.drop(reader);
  }),
  command('stall', fc.record({ index: fc.nat(3), room: fc.nat(2) }), async (system, { index, room }) => {
    const reader = system.readers[index];
    if (reader) reader.room = room;
  }),
  command('resume', fc.nat(3), async (system, index) => system.readers[index]?.resume()),
  command('check readers', fc.constant(undefined), (system) => system.checkReaders()),
  command(
    'thin',
    fc.record({ id, merges: fc.array(fc.boolean(), { minLength: 1, maxLength: 7 }) }),
    (system, { id, merges }) => system.thin(id, merges),
  ),
  command('trim', fc.record({ id, version: fc.nat(20) }), (system, { id, version }) => system.trim(id, version)),
  command(
    'clean up',
    fc.record({
      jump: fc.constantFrom(0, 0, 5_000, -3_000, 9_000_000, -8_000_000),
      options: fc.record({
        contextAutoDelete: fc.boolean(),
        contextTtl: fc.constantFrom(1, 1_000, 6_000_000),
        deltaTtl: fc.constantFrom(1, 1_000, 6_000_000),
        deltaThreshold: fc.constantFrom(1, 2, 100),
      }),
      prefix: fc.constantFrom('', '', '', 'a', 'a:'),
      limit: fc.constantFrom(undefined, undefined, 1, 2),
      meanwhile: fc.array(write, { maxLength: 4 }),
    }),
    async (system, { jump, meanwhile, ...task }) => {
      if (jump !== 0) await system.moveClock(jump, 'sweep');
      await system.cleanUp(task, () => submit(system, meanwhile));
    },
  ),
  command('restart', fc.constant(undefined), (system) => system.restart()),
];

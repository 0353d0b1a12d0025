/** The checker finds what is wrong in histories that are known to be wrong, and nothing in those that are right. */
import test from 'ava';
import { Random } from '../random.js';
import { chainsOf } from './chains.js';
import { check } from './check.js';
import type { Operation, Touch } from './history.js';

function op(name: string, called: number, returned: number, ...touches: Touch[]): Operation {
  return { name, called, returned, touches };
}

function writes(state: string, context = 'a'): Touch {
  return { context, kind: 'writes', state };
}

function removes(from: string, context = 'a'): Touch {
  return { context, kind: 'writes', state: null, from };
}

function reads(state: string | null, context = 'a'): Touch {
  return { context, kind: 'reads', state };
}

const CHAIN = new Map([['a', [null, 'x:1', 'x:2', null, 'y:1']]]);

function kinds(...operations: Operation[]): string[] {
  return check({ chains: CHAIN, operations }).map(({ kind }) => kind);
}

test('writes that overlap may take effect in any order, and reads find what they can', (t) => {
  t.deepEqual(
    kinds(
      op('w2', 0, 10, writes('x:2')),
      op('w1', 1, 9, writes('x:1')),
      op('early', 2, 3, reads('x:1')),
      op('late', 4, 5, reads('x:2')),
      op('none', 0, 4, reads(null)),
      op('gone', 6, 20, reads(null)),
      op('delete', 11, 12, removes('x:2')),
      op('again', 13, Number.POSITIVE_INFINITY, writes('y:1')),
      op('seen', 21, 22, reads('y:1')),
    ),
    [],
  );
});

test('a read that finds less than was acknowledged before it is out of order', (t) => {
  t.deepEqual(kinds(op('w1', 0, 1, writes('x:1')), op('w2', 2, 3, writes('x:2')), op('old', 4, 5, reads('x:1'))), [
    'out of order',
  ]);
});

test('two reads that go back in time are out of order, though the write never returned', (t) => {
  const never = op('w2', 0, Number.POSITIVE_INFINITY, writes('x:2'));
  t.deepEqual(kinds(never, op('new', 1, 2, reads('x:2')), op('old', 3, 4, reads('x:1'))), ['out of order']);
  t.deepEqual(kinds(never, op('new', 1, 3, reads('x:2')), op('old', 3, 4, reads('x:1'))), []);
});

test('a read of a state before its write was called is out of order', (t) => {
  t.deepEqual(kinds(op('early', 0, 1, reads('x:1')), op('w1', 2, 3, writes('x:1'))), ['out of order']);
});

test('a context that is gone for a reader while it exists is out of order', (t) => {
  const life = [op('w1', 0, 1, writes('x:1')), op('w2', 2, 3, writes('x:2'))];
  const chains = new Map([['a', [null, 'x:1', 'x:2']]]);
  const [violation] = check({ chains, operations: [...life, op('gone', 4, 5, reads(null))] });
  t.is(violation?.kind, 'out of order');
  t.deepEqual(kinds(...life, op('delete', 6, 7, removes('x:2')), op('gone', 4, 6, reads(null))), []);
  t.deepEqual(kinds(...life, op('delete', 6, 7, removes('x:2')), op('there', 8, 9, reads('x:2'))), ['out of order']);
});

test('a state that never was, and one that two writes made, are found', (t) => {
  t.deepEqual(kinds(op('lost', 0, 1, writes('x:3'))), ['unknown state']);
  t.deepEqual(kinds(op('one', 0, 1, writes('x:1')), op('two', 0, 1, writes('x:1'))), ['written twice']);
  t.deepEqual(kinds(op('one', 0, 1, removes('x:2')), op('two', 0, 1, removes('x:2'))), ['written twice']);
});

test('a batch happens at one moment: a reader of both contexts that finds half of it is out of order', (t) => {
  const chains = new Map([
    ['a', [null, 'x:1', 'x:2']],
    ['b', [null, 'z:1', 'z:2']],
  ]);
  const operations = [
    op('first', 0, 1, writes('x:1'), writes('z:1', 'b')),
    op('second', 2, 9, writes('x:2'), writes('z:2', 'b')),
    op('half', 3, 8, reads('x:2'), reads('z:1', 'b')),
  ];
  t.deepEqual(
    check({ chains, operations }).map(({ kind }) => kind),
    ['out of order'],
  );
  const apart = [...operations.slice(0, 2), op('a', 3, 4, reads('x:1')), op('b', 5, 6, reads('z:2', 'b'))];
  t.deepEqual(check({ chains, operations: apart }), []);
  const backwards = [...operations.slice(0, 2), op('b', 3, 4, reads('z:2', 'b')), op('a', 5, 6, reads('x:1'))];
  t.is(check({ chains, operations: backwards }).length, 1);
});

test('a batch without an answer, of which one context was read, had happened in the other, and that may be gone again', (t) => {
  const chains = new Map([
    ['a', [null, 'x:1', null]],
    ['b', [null, 'z:1']],
  ]);
  const batch = op('batch', 0, Number.POSITIVE_INFINITY, writes('x:1'), writes('z:1', 'b'));
  const seen = op('seen', 1, 2, reads('z:1', 'b'));
  const gone = op('gone', 5, 6, reads(null));
  t.deepEqual(check({ chains, operations: [batch, seen, gone] }), []);
  const never = op('end', 7, 8, removes('x:1'));
  t.is(check({ chains, operations: [batch, seen, gone, never] }).length, 1);
});

test('a message names the operations that cannot be put in order', (t) => {
  const [violation] = check({
    chains: CHAIN,
    operations: [op('w1', 0, 1, writes('x:1')), op('w2', 2, 3, writes('x:2')), op('old', 4, 5, reads('x:1'))],
  });
  t.regex(violation!.message, /old \(4-5\) reads a\[1\] x:1/);
  t.regex(violation!.message, /w2 \(2-3\) writes a\[2\] x:2/);
});

test('chains are found from operations alone, lives in an order that fits', (t) => {
  const operations = [
    op('y1', 20, 25, writes('y:1')),
    op('x2', 3, 9, writes('x:2')),
    op('x1', 0, 4, writes('x:1')),
    op('end', 10, 30, removes('x:2')),
  ];
  t.deepEqual(chainsOf(operations), new Map([['a', [null, 'x:1', 'x:2', null, 'y:1', null]]]));
  t.deepEqual(check({ chains: chainsOf(operations), operations }), []);
});

/** A run of one register, each operation with a moment at which it took effect. */
function registerHistory(random: Random, count: number): Operation[] {
  const events = Array.from({ length: count }, (_, i) => ({ moment: 10 * i, write: random.chance(0.5) }));
  let version = 0;
  return events.map(({ moment, write }, i) => {
    if (write) version++;
    const touch = write ? writes(`x:${version}`) : reads(version === 0 ? null : `x:${version}`);
    const returned = random.chance(0.1) ? Number.POSITIVE_INFINITY : moment + random.below(40);
    return op(`o${i}`, moment - random.below(40), returned, touch);
  });
}

test('histories of a register are right, and wrong with a read that is moved behind what hides it', (t) => {
  for (let seed = 0; seed < 300; seed++) {
    const random = new Random(seed);
    const operations = registerHistory(random, 60);
    const chains = chainsOf(operations);
    t.deepEqual(check({ chains, operations }), [], `seed ${seed}`);
    const stale = operations.findIndex(({ touches }, i) => {
      const later = operations.slice(i + 1).find((each) => each.touches[0]!.kind === 'writes' && each.returned < 1000);
      return touches[0]!.kind === 'reads' && touches[0]!.state !== null && later;
    });
    if (stale < 0) continue;
    const moved = operations.map((each, i) => (i === stale ? { ...each, called: 5000, returned: 5001 } : each));
    t.is(check({ chains, operations: moved })[0]?.kind, 'out of order', `seed ${seed}`);
  }
});

test('a hundred thousand operations take steps in proportion', (t) => {
  const operations = registerHistory(new Random(1), 100_000);
  t.deepEqual(check({ chains: chainsOf(operations), operations }), []);
});

/** What the benchmark makes of its rounds: figures, verdicts, tables and plots. */
import test from 'ava';
import { type Curve, compare, type Figure, type Goal, ratio } from '../../bench/figures.js';
import { inTurn, type Sample, side } from '../../bench/load.js';
import { Latencies } from '../../bench/measure.js';
import { plots } from '../../bench/plots.js';
import { merged } from '../../bench/published.js';
import { markdown, results, table } from '../../bench/report.js';
import type { Card, Results } from '../../bench/results.js';

const round = (cpuPerOperation: number) => ({ cpuPerOperation, operationsPerSecond: 1000, p50: 1, p99: 2 });
const sideOf = (name: string, costs: readonly number[]) => side(name, costs.map(round));

function figure(ours: readonly number[], peer: readonly number[], goal?: Goal): Figure {
  const sides = { ours: sideOf('Chord', ours), peer: sideOf('echo', peer) };
  const what = { target: 'P1', name: 'update', of: 'cpuPerOperation', unit: 'µs' } as const;
  return { ...compare({ ...what, ...sides, ...(goal && { goal }) }), sides: Object.values(sides) };
}

test('a figure is the ratio of medians, with the span of the ratios of single rounds', (t) => {
  const { ours, peer, ratio, range, against } = figure([12, 30, 10], [10, 10, 8]);
  t.deepEqual(
    { ours, peer, ratio, range, against },
    { ours: 12, peer: 10, ratio: 1.2, range: [1.2, 3], against: 'echo' },
  );
});

test('a verdict says when single rounds fell on the other side of the goal', (t) => {
  const verdict = (costs: readonly number[], goal: Goal) => figure(costs, [10, 10, 10], goal).verdict;
  t.is(verdict([11, 12, 13], { ratioAtMost: 1.4 }), 'met');
  t.is(verdict([11, 12, 15], { ratioAtMost: 1.4 }), 'met, narrowly');
  t.is(verdict([13, 15, 16], { ratioAtMost: 1.4 }), 'missed, narrowly');
  t.is(verdict([15, 16, 17], { ratioAtMost: 1.4 }), 'missed');
  t.is(verdict([15, 16, 17], { ratioAtLeast: 1.5 }), 'met');
  t.is(verdict([14, 16, 17], { oursAtMost: 15 }), 'missed');
  t.is(figure([1], [1]).verdict, undefined);
});

test('sides run in turn, every other round the other way round', async (t) => {
  const order: string[] = [];
  const load = (name: string, cpu: number) => async (): Promise<Sample> => {
    order.push(name);
    return { operations: 10, seconds: 1, cpu, latencies: new Latencies() };
  };
  const turns = { rounds: 3, progress: () => {}, fresh: true };
  const sides = await inTurn(turns, { ours: load('ours', 20), peer: load('peer', 10) });
  t.deepEqual(order, ['ours', 'peer', 'peer', 'ours', 'ours', 'peer']);
  t.is(sides.ours.cpuPerOperation, 2);
  t.is(sides.peer.rounds.length, 3);
});

test('results are told as tables and as plots', async (t) => {
  const bytes = ratio({ target: 'P10', name: 'a history', unit: 'bytes', ours: 1, peer: 30, against: 'documents' });
  const point = (x: number) => ({ x, ...sideOf('Chord', [x, x + 1, x + 2]) });
  const curve: Curve = {
    target: 'W',
    title: 'Deliveries',
    along: 'watchers',
    operation: 'delivery',
    lines: [{ name: 'Chord', points: [point(1), point(1000)] }],
  };
  const findings = [figure([12, 12, 12], [10, 10, 10], { ratioAtMost: 1.4 }), bytes, curve];
  const plan = { seconds: 1, rounds: 3, quick: false, progress: () => {}, note: () => {} };
  const notes = ['P2: skipped, etcd is not installed'];
  const all = results(plan, { findings, notes, failures: ['P3: no answer'], seconds: 60, elsewhere: 0.031, cards: {} });
  const page = markdown(all);
  t.regex(page, /\| P1 \| update \| 12\.0 \| 10\.0 \| µs \| echo \| 1\.20 \| 1\.20 - 1\.20 \| <= 1\.4 \| met \|/);
  t.regex(page, /\| P10 \| a history \| 1\.00 \| 30\.0 \| bytes \| documents \| 0\.0333 \| {2}\| {2}\| {2}\|/);
  t.regex(page, /\| Chord \| 1,000 \| 1,001 \| 1,000 - 1,002 \|/);
  t.regex(page, /other programs took 3 % of the machine/);
  for (const text of [page, table(all)])
    t.true(notes.every((note) => text.includes(note)) && text.includes('P3: no answer'));
  const drawn = await plots(all);
  t.deepEqual(drawn.map(({ name }) => name).sort(), ['growth-W', 'ratios']);
  t.true(drawn.every(({ svg }) => svg.startsWith('<svg') && !svg.includes('NaN')));
});

test('a run of some targets replaces what is published of them, and nothing else', (t) => {
  const card = (at: string): Card => ({ at, commit: '1234567', secondsPerRound: 2, rounds: 5, elsewhere: 0 });
  const of = (target: string, ours: number) => ({
    ...ratio({ target, name: 'n', unit: 'ms', ours, peer: 1, against: 'x' }),
    ...{ details: 'much', sides: [] },
  });
  const run = (cards: Results['cards'], figures: readonly Figure[], notes: readonly string[]): Results => {
    const plan = { seconds: 1, rounds: 3, quick: false, progress: () => {}, note: () => {} };
    const measured = { cards, notes, failures: ['P3: no answer'], seconds: 1, elsewhere: 0 };
    return results(plan, { findings: figures, ...measured });
  };
  const published = run(
    { P2: card('a'), P10: card('a'), W: card('a') },
    [of('P10', 1), of('P2', 1)],
    ['P2: old', 'P10: kept'],
  );
  // P10 was begun, and failed.
  const all = merged(published, run({ P2: card('b') }, [of('P2', 2), of('P10', 2)], ['P2: new', 'P10: half']));
  t.deepEqual(
    all.figures.map(({ target, ours }) => `${target} ${ours}`),
    ['P2 2', 'P10 1'],
  );
  t.true(all.figures.every((figure) => !('details' in figure) && !('sides' in figure)));
  t.deepEqual(
    Object.entries(all.cards).map(([target, { at }]) => `${target} ${at}`),
    ['P2 b', 'P10 a', 'W a'],
  );
  t.deepEqual([...all.notes].sort(), ['P10: kept', 'P2: new']);
  // P10 was skipped: what it measures was absent.
  const some = merged(published, run({ P2: card('c'), P10: card('c') }, [of('P2', 3)], ['P10: skipped']));
  t.deepEqual(
    some.figures.map(({ target, ours }) => `${target} ${ours} ${some.cards[target]!.at}`),
    ['P2 3 c', 'P10 1 a'],
  );
  t.deepEqual(some.notes, ['P10: kept']);
});

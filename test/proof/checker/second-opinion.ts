/**
 * A second opinion on histories: porcupine (porcupine/main.go) judges those of the simulator, and the same with one
 * operation moved or changed, context by context; so does check.ts, and both must say the same:
 * `npx tsx test/proof/checker/second-opinion.ts --seeds 2000 --first 1`. Without Go it says so, and ends with 0.
 */
import { type ChildProcessWithoutNullStreams, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Random } from '../random.js';
import { simulate } from '../simulator/world.js';
import { check } from './check.js';
import type { Chain, History, Operation, Touch } from './history.js';

const SOURCE = fileURLToPath(new URL('porcupine', import.meta.url));
const BINARY = fileURLToPath(new URL('../../../.tools/bin/porcupine', import.meta.url));

/** The part of a history that concerns one context: each operation touches it once. */
interface Part {
  readonly name: string;
  readonly chain: Chain;
  readonly operations: readonly Operation[];
}

function partsOf(seed: number, { chains, operations }: History): Part[] {
  return [...chains].map(([context, chain]) => {
    const name = `seed ${seed}, ${context}`;
    const touching = operations.flatMap((operation) =>
      operation.touches.filter((each) => each.context === context).map((touch) => ({ ...operation, touches: [touch] })),
    );
    return { name, chain, operations: touching };
  });
}

/** The same with one operation at another time, or with another state: wrong most of the time. */
function changed(random: Random, { name, chain, operations }: Part): Part | undefined {
  if (operations.length < 2) return undefined;
  const i = random.below(operations.length);
  const operation = operations[i]!;
  const times = operations.flatMap(({ called, returned }) => [
    called,
    ...(Number.isFinite(returned) ? [returned] : []),
  ]);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  const touch = operation.touches[0]!;
  const state = random.pick(chain);
  const from = touch.state === null && touch.kind === 'writes' ? touch.from : undefined;
  const other: Touch = { ...touch, state: from === undefined ? state : null };
  const [how, next] = random.pick<readonly [string, Operation]>([
    ['first', { ...operation, called: first - 2, returned: first - 1 }],
    ['last', { ...operation, called: last + 1, returned: last + 2 }],
    [`${state ?? 'absent'}`, { ...operation, touches: [other] }],
  ]);
  return { name: `${name}, ${operation.name} ${how}`, chain, operations: operations.with(i, next) };
}

/** Known to be wrong, whatever else holds. */
const X = (called: number, returned: number, kind: Touch['kind'], state: string | null, from?: string): Operation => {
  const touch: Touch = { context: 'a', kind, state, ...(from !== undefined && { from }) };
  return { name: `${kind} ${state}`, called, returned, touches: [touch] };
};
const [ONE, TWO] = [X(0, 1, 'writes', 'x:1'), X(2, 3, 'writes', 'x:2')];
const NEVER = X(2, Number.POSITIVE_INFINITY, 'writes', 'x:2');
const WRONG: readonly Part[] = [
  { name: 'a stale read', chain: [null, 'x:1', 'x:2'], operations: [ONE, TWO, X(4, 5, 'reads', 'x:1')] },
  {
    name: 'reads that go back',
    chain: [null, 'x:1', 'x:2'],
    operations: [ONE, NEVER, X(3, 4, 'reads', 'x:2'), X(5, 6, 'reads', 'x:1')],
  },
  { name: 'a read of the future', chain: [null, 'x:1', 'x:2'], operations: [ONE, X(1, 1.5, 'reads', 'x:2'), TWO] },
  { name: 'a lost write', chain: [null, 'x:1'], operations: [ONE, TWO] },
  { name: 'a state that was written twice', chain: [null, 'x:1'], operations: [ONE, X(0, 1, 'writes', 'x:1')] },
  { name: 'gone while it exists', chain: [null, 'x:1', 'x:2'], operations: [ONE, TWO, X(4, 5, 'reads', null)] },
  {
    name: 'there after it was removed',
    chain: [null, 'x:1', null],
    operations: [ONE, X(2, 3, 'writes', null, 'x:1'), X(4, 5, 'reads', 'x:1')],
  },
  {
    name: 'lives out of order',
    chain: [null, 'x:1', null, 'y:1'],
    operations: [X(0, 1, 'writes', 'y:1'), X(2, 3, 'writes', 'x:1')],
  },
];

class Porcupine {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #verdicts: AsyncIterator<string>;

  constructor(private readonly asked: Part[] = []) {
    this.#child = spawn(BINARY);
    this.#child.stderr.pipe(process.stderr);
    this.#verdicts = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async ask(part: Part): Promise<void> {
    this.asked.push(part);
    const operations = part.operations.map(({ called, returned, touches: [touch] }) => {
      const { kind, state, from } = touch!;
      // JSON has no infinity: no answer.
      return { called, returned: Number.isFinite(returned) ? returned : null, writes: kind === 'writes', state, from };
    });
    if (this.#child.stdin.write(`${JSON.stringify({ chain: part.chain, operations })}\n`)) return;
    await once(this.#child.stdin, 'drain');
  }

  /** All verdicts, in the order of the questions. */
  async end(): Promise<(readonly [Part, string])[]> {
    this.#child.stdin.end();
    const answers: (readonly [Part, string])[] = [];
    for (const part of this.asked) {
      const { value, done } = await this.#verdicts.next();
      if (done) throw new Error(`no verdict on ${part.name}`);
      answers.push([part, value]);
    }
    return answers;
  }
}

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '2000' }, first: { type: 'string', default: '1' } },
});
try {
  execFileSync('go', ['version'], { stdio: 'ignore' });
} catch {
  console.log('no second opinion on histories: Go is not installed (https://go.dev/dl)');
  process.exit(0);
}
execFileSync('go', ['build', '-o', BINARY, '.'], { cwd: SOURCE, stdio: 'inherit' });

const began = Date.now();
const [seeds, first] = [Number(values.seeds), Number(values.first)];
const porcupine = new Porcupine();
for (const part of WRONG) await porcupine.ask(part);
for (let seed = first; seed < first + seeds; seed++) {
  const random = new Random(seed);
  for (const part of partsOf(seed, (await simulate(seed)).history)) {
    await porcupine.ask(part);
    const other = changed(random, part);
    if (other) await porcupine.ask(other);
  }
}
const counts = { histories: seeds, parts: 0, right: 0, wrong: 0, unknown: 0, failed: 0 };
const known = new Set(WRONG);
for (const [part, verdict] of await porcupine.end()) {
  counts.parts++;
  if (verdict === 'unknown') {
    counts.unknown++;
    continue;
  }
  const { name, chain, operations } = part;
  const violations = check({ chains: new Map([['a', chain]]), operations: operations.map(onA) });
  const [ours, theirs] = [violations.length === 0, verdict === 'ok'];
  counts[theirs ? 'right' : 'wrong']++;
  if (ours === theirs && !(ours && known.has(part))) continue;
  counts.failed++;
  console.log(`${name}: ${verdict} for porcupine, ${violations[0]?.message ?? 'in order'} for check.ts`);
}

/** The context of a part does not matter. */
function onA(operation: Operation): Operation {
  return { ...operation, touches: operation.touches.map((touch) => ({ ...touch, context: 'a' })) };
}

console.log(JSON.stringify({ ...counts, seconds: Math.round((Date.now() - began) / 1000) }));
process.exit(counts.failed === 0 && counts.wrong > 0 ? 0 : 1);

/**
 * Writes to a new data directory until it has done what its seed says, and notes each acknowledgement in the file `acks`:
 * `workload.ts <data directory> <acks> <seed> <rounds>`. Run under recorder.c.
 *
 * Each writer has one write under way at a time, so the newest number in a context is the one that was acknowledged last,
 * or one more.
 */
import { openSync, writeSync } from 'node:fs';
import { openChord } from '../../../src/server/app.js';
import { Random } from '../random.js';

const [dataDir, acksPath, seed, rounds] = process.argv.slice(2) as [string, string, string, string];
const acks = openSync(acksPath, 'a');
const random = new Random(Number(seed));
const chord = await openChord({ dataDir, minFreeBytes: 0, cleanupInterval: 0, deltaThreshold: 5 });
const { contexts } = chord;

function acknowledge(line: string): void {
  writeSync(acks, `${line}\n`);
}

/** The same number in two places, beside a text that may take pages of its own. */
async function count(id: string): Promise<void> {
  for (let n = 1; n <= Number(rounds); n++) {
    const text = 'x'.repeat(random.below(random.chance(0.1) ? 20_000 : 200));
    await contexts.update(id, { changes: { here: n, text, there: n } }, { allowMissing: true });
    acknowledge(`${id} ${n}`);
    if (random.chance(0.1)) await contexts.trim(id, n);
  }
}

/** The same number in three contexts, by batches. */
async function together(): Promise<void> {
  for (let n = 1; n <= Number(rounds); n++) {
    const text = 'y'.repeat(random.below(300));
    const ids = ['b:1', 'b:2', 'b:3'];
    await contexts.batch(
      ids.map((id) => ({ kind: 'update', id, changes: { n, text }, mutations: [], allowMissing: true })),
    );
    acknowledge(`b ${n}`);
  }
}

/** Odd: the context exists, with this number; even: it was deleted. */
async function comeAndGo(id: string): Promise<void> {
  for (let n = 1; n <= Number(rounds); n++) {
    const requestId = `${id} ${n}`;
    if (n % 2 === 1) await contexts.set(id, { n, words: 'w'.repeat(random.below(6000)) }, { requestId });
    else await contexts.delete(id, { requestId });
    acknowledge(`${id} ${n}`);
  }
}

acknowledge('open 1');
await Promise.all([count('c:1'), count('c:2'), count('c:3'), together(), comeAndGo('g:1'), comeAndGo('g:2')]);
await chord.close();

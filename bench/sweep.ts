/**
 * What a sweep costs when little is due: the same 100 due contexts alone, and among many others.
 *
 *     npx tsx bench/sweep.ts [contexts] [memory|lmdb]
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openChord } from '../src/server/app.js';

const [, , count = '100000', backend = 'lmdb'] = process.argv;
const DUE = 100;
const HOUR = 3_600_000;

for (const others of [0, Number(count)]) {
  const dataDir = mkdtempSync(join(tmpdir(), 'chord-sweep-'));
  let now = 1_000_000_000_000;
  const kind = backend === 'memory' ? 'memory' : 'lmdb';
  const chord = await openChord({
    backend: kind,
    dataDir,
    clock: () => now,
    cleanupInterval: 0,
    contextAutoDelete: true,
    contextTtl: HOUR,
  });
  for (let i = 0; i < DUE; i++) await chord.contexts.set(`due:${i}`, { n: i });
  now += HOUR / 2;
  for (let i = 0; i < others; i += 1000) {
    await Promise.all(Array.from({ length: 1000 }, (_, k) => chord.contexts.set(`live:${i + k}`, { n: i + k })));
  }
  now += HOUR / 2;
  const idle = await measured(() => chord.cleanup.run());
  // The others have been written to since they were entered in the index: each entry is met once, and moved.
  for (let i = 0; i < others; i += 1000) {
    await Promise.all(Array.from({ length: 1000 }, (_, k) => chord.contexts.set(`live:${i + k}`, { n: 'new' })));
  }
  now += HOUR / 2;
  const late = await measured(() => chord.cleanup.run());
  const again = await measured(() => chord.cleanup.run());
  print(others, `${DUE} due`, idle, `removed ${idle.answer.idle}`);
  print(others, 'none due, every entry to be moved', late, `removed ${late.answer.idle}`);
  print(others, 'none due', again, `removed ${again.answer.idle}`);
  await chord.close();
  rmSync(dataDir, { recursive: true });
}

interface Measured<T> {
  readonly ms: number;
  readonly cpuMs: number;
  readonly answer: T;
}

async function measured<T>(work: () => Promise<T>): Promise<Measured<T>> {
  const [begin, cpu] = [performance.now(), process.cpuUsage()];
  const answer = await work();
  const { user, system } = process.cpuUsage(cpu);
  return { ms: performance.now() - begin, cpuMs: (user + system) / 1000, answer };
}

function print(others: number, what: string, { ms, cpuMs }: Measured<unknown>, answer: string): void {
  const line = `${String(others + DUE).padStart(9)} contexts, ${what}: ${cpuMs.toFixed(1)} ms CPU, ${ms.toFixed(1)} ms, ${answer}`;
  process.stdout.write(`${line}\n`);
}

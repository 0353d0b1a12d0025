/**
 * Random commands against the engine in this process and a plain model of it (plain.ts): writes of every kind, alone
 * and many at once, repeats, expiry, reads from anywhere in the past, readers that come, stall, resume and go,
 * restarts, caches that hold next to nothing.
 *
 * MODEL_RUNS=10000 runs more of them (300 on memory and 60 on LMDB otherwise); MODEL_SEED=n repeats a run, whose
 * seed is in the failure's message together with the shrunk commands.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { openLmdb } from '../../src/store/lmdb/store.js';
import { openMemory } from '../../src/store/memory.js';
import { verified } from '../maintenance/directories.js';
import { commands } from './commands.js';
import { type Reopen, System } from './system.js';

const runs = process.env.MODEL_RUNS ? Number(process.env.MODEL_RUNS) : undefined;
const seed = process.env.MODEL_SEED ? { seed: Number(process.env.MODEL_SEED) } : {};

const settings = fc.record({
  cacheBytes: fc.constantFrom(0, 0, 4000, 100_000_000),
  deltaThreshold: fc.constantFrom(1, 3, 100),
});
const lists = fc.commands(commands, { maxCommands: 80, size: 'max' });

interface Place {
  readonly reopen: Reopen;
  /** When all is closed: whether what is left is sound. */
  check(): Promise<void>;
  destroy(): Promise<void>;
}

async function assertModel(numRuns: number, place: () => Promise<Place>) {
  const property = fc.asyncProperty(settings, lists, async (chosen, list) => {
    const { reopen, check, destroy } = await place();
    const system = await System.open(chosen, reopen);
    try {
      try {
        await fc.asyncModelRun(() => ({ model: {}, real: system }), list);
        await system.finish();
      } finally {
        await system.close();
      }
      await check();
    } finally {
      await destroy();
    }
  });
  await fc.assert(property, { numRuns, ...seed, includeErrorInReport: true, timeout: 20_000 });
}

test('memory: whatever is asked in whatever order, Chord does what the model does', async (t) => {
  await assertModel(runs ?? 300, async () => ({
    reopen: async (old) => old ?? openMemory(),
    check: async () => {},
    destroy: async () => {},
  }));
  t.pass();
});

test('LMDB: whatever is asked in whatever order, Chord does what the model does', async (t) => {
  await assertModel(runs ?? 60, async () => {
    const directory = await mkdtemp(join(tmpdir(), 'chord-model-'));
    return {
      reopen: async (old) => {
        await old?.close();
        return openLmdb({ directory, minFreeBytes: 0 });
      },
      check: async () => {
        const { told } = await verified(directory);
        if (told.length > 0) throw new Error(`verify: ${told.join('; ')}`);
      },
      destroy: () => rm(directory, { recursive: true, force: true }),
    };
  });
  t.pass();
});

/** Updates and reads as the number of contexts grows, on LMDB with a small cache (P7). */
import type { openChord } from '../../src/app.js';
import { counterUpdate, documentOf } from '../chatroom.js';
import { cpuRatio, type Figure, type Plan, ratio, type Target, using } from '../figures.js';
import { closeAll, closedLoop, inTurn, open, type Sample } from '../load.js';
import { SYNC, syncRequest, UPDATE, updateRequest } from '../requests.js';
import { built, remove, startChord, temporaryDirectory } from '../servers.js';

const MB = 1e6;
const CACHE_MB = 64;
const DOCUMENT_BYTES = 1000;
const CONNECTIONS = 4;

export const p7: Target = {
  id: 'P7',
  title: `contexts of 1 KB on LMDB as their number grows, with a cache of ${CACHE_MB} MB`,
  run: (plan) =>
    using(async (keep): Promise<Figure[]> => {
      const sizes = [1000, plan.quick ? 20_000 : 100_000, ...(plan.large ? [1_000_000] : [])];
      const loads: Record<string, () => Promise<Sample>> = {};
      const memories: (() => number)[] = [];
      for (const contexts of sizes) {
        const directory = keep(temporaryDirectory(), remove);
        await fill(directory, contexts, plan);
        const flags = ['--cache-bytes', `${CACHE_MB}MB`];
        const chord = keep(await startChord({ dataDir: directory, flags }), (server) => server.stop());
        const connections = keep(await open(chord.address, CONNECTIONS), closeAll);
        const drive = (path: string, body: (n: number) => Uint8Array) => () =>
          closedLoop(chord, connections, { path, body, inFlight: 50, seconds: plan.seconds });
        loads[name('update', contexts)] = drive(UPDATE, (n) => updateRequest(randomId(contexts), counterUpdate(n)));
        loads[name('sync', contexts)] = drive(SYNC, () => syncRequest(randomId(contexts)));
        memories.push(() => chord.memory() / MB);
      }
      const sides = await inTurn(plan.rounds, loads);
      const [fewest, ...more] = sizes as [number, ...number[]];
      const peer = memories[0]!();
      return more.flatMap((contexts, index) => [
        ...(['update', 'sync'] as const).map((kind) => {
          const [ours, least] = [sides[name(kind, contexts)]!, sides[name(kind, fewest)]!];
          return cpuRatio('P7', ours.name, 'call', ours, least, 1.3);
        }),
        ratio({
          target: 'P7',
          name: `resident memory, ${count(contexts)} contexts, cache ${CACHE_MB} MB`,
          unit: 'MB',
          ours: memories[index + 1]!(),
          peer,
          against: name('memory', fewest),
          goal: { oursAtMost: Math.round(peer + CACHE_MB) },
        }),
      ]);
    }),
};

/** Creates the contexts through the library, in this process: a server would only take longer. */
async function fill(directory: string, contexts: number, { progress }: Plan): Promise<void> {
  const { openChord: openBuilt } = await built<{ openChord: typeof openChord }>('index.js');
  const chord = await openBuilt({ dataDir: directory, cacheBytes: 1e6 });
  let next = 0;
  const worker = async () => {
    for (let n = next++; n < contexts; n = next++) {
      await chord.contexts.set(`context:${n}`, documentOf(DOCUMENT_BYTES));
      if ((n + 1) % 100_000 === 0) progress(`P7: ${count(n + 1)} contexts created`);
    }
  };
  await Promise.all(Array.from({ length: 1000 }, worker));
  await chord.close();
}

function randomId(contexts: number): string {
  return `context:${Math.floor(Math.random() * contexts)}`;
}

function name(kind: string, contexts: number): string {
  return `${kind}, ${count(contexts)} contexts`;
}

function count(value: number): string {
  return value.toLocaleString('en');
}

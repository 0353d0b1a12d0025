/** Updates and reads as contexts become more (P7), and reads as the client is further behind (H). */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { Position } from '../../src/model/model.js';
import type { openChord } from '../../src/server/app.js';
import { chatRoom, counterUpdate, documentOf, statusUpdate } from '../chatroom.js';
import { type Curve, cpuRatio, type Figure, type Finding, type Point, ratio, type Target, using } from '../figures.js';
import { closeAll, closedLoop, inTurn, open, type Sample } from '../load.js';
import type { Plan } from '../plan.js';
import { put, SYNC, syncRequest, UPDATE, update, updateRequest } from '../requests.js';
import { built, disk, remove, startChord, temporaryDirectory } from '../servers.js';

const MB = 1e6;
const CACHE_MB = 64;
const DOCUMENT_BYTES = 1000;
const CONNECTIONS = 4;
const IN_FLIGHT = 50;
/** What one context takes on the disk while it is measured, at most. */
const DISK_BYTES = 8000;

export const p7: Target = {
  id: 'P7',
  title: `contexts of 1 KB on LMDB as they become more, with a cache of ${CACHE_MB} MB`,
  seconds: 170,
  run: (plan) =>
    using(async (keep): Promise<Finding[]> => {
      const sizes = (plan.quick ? [1000, 20_000] : [1000, 10_000, 100_000, 1_000_000]).filter((contexts) => {
        const enough = contexts * DISK_BYTES < disk().freeBytes;
        if (!enough) plan.note(`P7: ${count(contexts)} contexts are left out, the disk has too little room for them`);
        return enough;
      });
      const loads: Record<string, () => Promise<Sample>> = {};
      const states: { memory: () => number; disk: number }[] = [];
      for (const contexts of sizes) {
        const directory = keep(temporaryDirectory(), remove);
        await fill(directory, contexts, plan);
        states.push({ memory: () => chord.memory() / MB, disk: bytesIn(directory) });
        const flags = ['--cache-bytes', `${CACHE_MB}MB`];
        const chord = keep(await startChord({ dataDir: directory, flags }), (server) => server.stop());
        const connections = keep(await open(chord.address, CONNECTIONS), closeAll);
        // The server closes connections that make no call, and the larger directories take their time.
        await Promise.all(connections.map((each) => each.unary(SYNC, syncRequest(contextId(0)))));
        const drive = (path: string, body: (n: number) => Uint8Array) => () =>
          closedLoop(chord, connections, { path, body, inFlight: IN_FLIGHT, seconds: plan.seconds });
        loads[name('update', contexts)] = drive(UPDATE, (n) => updateRequest(randomId(contexts), counterUpdate(n)));
        loads[name('sync', contexts)] = drive(SYNC, () => syncRequest(randomId(contexts)));
      }
      const sides = await inTurn(plan, loads);
      const [fewest, ...more] = sizes as [number, ...number[]];
      const peer = states[0]!.memory();
      const figures = more.flatMap((contexts, index): Figure[] => [
        ...(['update', 'sync'] as const).map((kind) => {
          const [ours, least] = [sides[name(kind, contexts)]!, sides[name(kind, fewest)]!];
          return cpuRatio('P7', ours.name, 'call', ours, least, 1.3);
        }),
        ratio({
          target: 'P7',
          name: `resident memory, ${count(contexts)} contexts, cache ${CACHE_MB} MB`,
          unit: 'MB',
          ours: states[index + 1]!.memory(),
          peer,
          against: name('memory', fewest),
          goal: { oursAtMost: Math.round(peer + CACHE_MB) },
          details: { bytesOnDiskPerContext: states[index + 1]!.disk / contexts },
        }),
      ]);
      const line = (kind: string) => sizes.map((x): Point => ({ x, ...sides[name(kind, x)]! }));
      const curve: Curve = {
        target: 'P7',
        title: `Calls on random contexts of 1 KB, LMDB, cache of ${CACHE_MB} MB`,
        along: 'contexts',
        operation: 'call',
        lines: ['update', 'sync'].map((kind) => ({ name: kind, points: line(kind) })),
      };
      return [...figures, curve];
    }),
};

/**
 * Fills a data directory through the library, in this process: each context gets the very records that a write of
 * its document made, handed to the store many at a time.
 */
async function fill(directory: string, contexts: number, { progress }: Plan): Promise<void> {
  const { openChord: openBuilt } = await built<{ openChord: typeof openChord }>('index.js');
  const chord = await openBuilt({ dataDir: directory, cacheBytes: 1e6 });
  await chord.contexts.set(contextId(0), documentOf(DOCUMENT_BYTES));
  const stored = await chord.store.load(contextId(0));
  const { head, records } = stored!;
  for (let first = 1; first < contexts; first += AT_ONCE) {
    const some = Array.from({ length: Math.min(AT_ONCE, contexts - first) }, (_, n) => contextId(first + n));
    await Promise.all(some.map((id) => chord.store.commit({ id, expected: null, head, payload: records[0]! })));
    progress(`creates ${count(contexts)} contexts, ${Math.floor((100 * first) / contexts)} %`);
  }
  await chord.close();
}
const AT_ONCE = 10_000;

function bytesIn(directory: string): number {
  return readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0);
}

function contextId(n: number): string {
  return `context:${n}`;
}

function randomId(contexts: number): string {
  return contextId(Math.floor(Math.random() * contexts));
}

function name(kind: string, contexts: number): string {
  return `${kind}, ${count(contexts)} contexts`;
}

/** The server keeps merged deltas for a few places where clients stand: here they stand at more. */
const PLACES = 64;
const ROOM = 'room:1';

export const historyGrowth: Target = {
  id: 'H',
  title: 'SyncContext, as the client is further behind',
  seconds: 90,
  run: (plan) =>
    using(async (keep): Promise<[Curve]> => {
      const distances = plan.quick ? [1, 100] : [1, 10, 100, 1000, 10_000];
      const furthest = distances.at(-1)! + PLACES;
      const flags = ['--delta-threshold', String(2 * furthest)];
      const chord = keep(await startChord({ flags }), (server) => server.stop());
      const connections = keep(await open(chord.address, CONNECTIONS), closeAll);
      const positions = [await put(connections[0]!, ROOM, chatRoom())];
      while (positions.length <= furthest) {
        const some = Array.from({ length: 100 }, (_, n) => statusUpdate(positions.length + n));
        positions.push(...(await Promise.all(some.map((changes) => update(connections[0]!, ROOM, changes)))));
        plan.progress(`writes a history, ${count(positions.length)} of ${count(furthest)} versions`);
      }
      const head = positions.length - 1;
      const drive = (known: (n: number) => Position | undefined) => () => {
        const load = { path: SYNC, inFlight: IN_FLIGHT / 5, seconds: plan.seconds / 2 };
        return closedLoop(chord, connections, { ...load, body: (n) => syncRequest(ROOM, known(n)) });
      };
      const loads: Record<string, () => Promise<Sample>> = { document: drive(() => undefined) };
      for (const far of distances) {
        loads[`one ${far}`] = drive(() => positions[head - far]);
        loads[`many ${far}`] = drive((n) => positions[head - far - (n % PLACES)]);
      }
      const sides = await inTurn(plan, loads);
      const line = (kind: string) => distances.map((x): Point => ({ x, ...sides[`${kind} ${x}`]! }));
      const document = [distances[0]!, distances.at(-1)!].map((x): Point => ({ x, ...sides.document! }));
      return [
        {
          target: 'H',
          title: 'SyncContext of the chat room from some versions behind',
          along: 'versions behind',
          operation: 'call',
          lines: [
            { name: `a delta, clients at ${PLACES} places from there on`, points: line('many') },
            { name: 'a delta, all clients at one place', points: line('one') },
            { name: 'the document', points: document },
          ],
        },
      ];
    }),
};

function count(value: number): string {
  return value.toLocaleString('en');
}

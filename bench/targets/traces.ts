/** Real histories: deltas on the wire beside whole documents, as they are and over a connection that compresses (P10). */
import { existsSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { equal } from '../../src/delta/index.js';
import type { JsonObject } from '../../src/model/model.js';
import { type Figure, ratio, type Target, using } from '../figures.js';
import { readHistory } from '../history.js';
import type { Plan } from '../plan.js';
import { replay } from '../replayer.js';
import { startChord } from '../servers.js';
import { asWholes, follow, memoryOfBoth, throughChord, type Way } from '../wholes.js';

const FOLDER = fileURLToPath(new URL('../../../shared/traces/', import.meta.url));

export const p10: Target = {
  id: 'P10',
  title: 'replay of real histories, bytes on the wire',
  seconds: 60,
  run: (plan) =>
    using(async (keep): Promise<Figure[]> => {
      const names = existsSync(FOLDER) ? readdirSync(FOLDER).filter((name) => name.endsWith('.ndjson.gz')) : [];
      if (names.length === 0) plan.note('P10: skipped, there is no ../shared/traces');
      // In memory: the bytes do not depend on the disk, and each revision waits for the one before.
      const chord = keep(await startChord({ backend: 'memory' }), (server) => server.stop());
      const begin = performance.now();
      const figures: Figure[] = [];
      for (const name of names) {
        plan.progress(name);
        const replayed = await replay(chord.address, name.replace(/\..*/, ''), readHistory(`${FOLDER}${name}`));
        figures.push(
          ratio({
            target: 'P10',
            name: `history ${name}, ${replayed.revisions} revisions`,
            unit: 'bytes',
            ours: replayed.bytes,
            peer: replayed.wholeBytes,
            against: 'whole documents',
            goal: { ratioAtMost: 1 / 20 },
            details: replayed,
          }),
        );
      }
      for (const name of names) {
        if (performance.now() - begin < BUDGET_MS) figures.push(...(await besideCompressed(plan, name)));
        else plan.note(`P10: no time was left to follow ${name} over a connection that compresses`);
      }
      return figures;
    }),
};

/** No history is begun after that: on a machine that is busy, the first ones must do. */
const BUDGET_MS = 45_000;
/** Followers whose cost is the difference to none. */
const FOLLOWERS = 10;
/** So many revisions are enough for it, and so many connections for the memory of one. */
const [REVISIONS, CONNECTIONS] = [50, 100];

/** What one follower of a history costs on both sides, by the bytes that pass its socket. */
function besideCompressed({ progress }: Plan, name: string): Promise<Figure[]> {
  return using(async (keep) => {
    const [first, ...all] = readHistory(`${FOLDER}${name}`);
    // A revision that changes nothing is no version.
    const revisions = all.filter((revision, n) => !equal(revision, n === 0 ? first! : all[n - 1]!));
    const costs: FollowerCosts[] = [];
    for (const start of [throughChord, asWholes]) {
      const way = await start(keep, first!);
      progress(`${name}, ${way.name}`);
      costs.push(await followerCosts(way, revisions));
    }
    const [ours, peer] = costs as [FollowerCosts, FollowerCosts];
    const history = name.replace(/\..*/, '');
    const figure = (what: string, unit: string, of: Exclude<keyof FollowerCosts, 'name'>) =>
      ratio({ target: 'P10', name: `${history}: ${what}`, unit, ours: ours[of], peer: peer[of], against: peer.name });
    return [
      figure('received by one client, with all frames', 'bytes', 'bytes'),
      figure('server, for each message', 'µs CPU', 'server'),
      figure('client, for each message, until it holds the document as objects', 'µs CPU', 'client'),
      figure('memory of the server for each connection', 'bytes', 'serverMemory'),
      figure('memory of the client for each connection, with its document', 'bytes', 'clientMemory'),
    ];
  });
}

interface FollowerCosts {
  readonly name: string;
  readonly bytes: number;
  readonly server: number;
  readonly client: number;
  readonly serverMemory: number;
  readonly clientMemory: number;
}

async function followerCosts(way: Way, revisions: readonly JsonObject[]): Promise<FollowerCosts> {
  const some = revisions.slice(0, REVISIONS);
  const one = await way.join();
  const { bytes } = await follow(way, revisions, [one]);
  if (!equal(one.document()!, revisions.at(-1)!)) throw new Error(`${way.name}: the client holds something else`);
  one.close();
  // Twice, so that both sides have compiled their code; what a write costs without followers is taken off.
  await follow(way, some, []);
  const alone = await follow(way, some, []);
  const few = await Promise.all(Array.from({ length: FOLLOWERS }, () => way.join()));
  await follow(way, some, few);
  const followed = await follow(way, some, few);
  const before = memoryOfBoth(way);
  const many = await Promise.all(Array.from({ length: CONNECTIONS }, () => way.join()));
  await follow(way, some.slice(0, 10), many);
  const after = memoryOfBoth(way);
  for (const each of [...few, ...many]) each.close();
  const messages = FOLLOWERS * some.length;
  return {
    name: way.name,
    bytes,
    server: (followed.server - alone.server) / messages,
    client: (followed.client - alone.client) / messages,
    serverMemory: (after.server - before.server) / CONNECTIONS,
    clientMemory: (after.client - before.client) / CONNECTIONS,
  };
}

/** Section C: the same without malice, by clients that are far behind, come back, read nothing, or are many. */

import { RunCleanupRequest } from '../../src/gen/chord/v1/cleanup_service.js';
import { DeleteContextRequest, SetContextRequest } from '../../src/gen/chord/v1/context_service.js';
import type { JsonObject } from '../../src/model/model.js';
import { SET, SYNC, setRequest, UPDATE } from '../requests.js';
import { type Answer, frame, SYNC_KINDS, tally } from './attacker.js';
import {
  at,
  deep,
  each,
  idsOf,
  METHODS,
  many,
  members,
  numbered,
  ofId,
  ofPrefix,
  positions,
  set,
  sets,
  sync,
  update,
  watch,
} from './documents.js';
import { must, type Preparation, type Row, type Scene } from './run.js';
import { spliced, synced, watched } from './tenants.js';

const contextId = 'big';
const hundredThousand = sets('96 sets of 100,000 keys', 96, (n) => members(100_000, n));
const returning = sets('101 sets of 2.5 MB', 101, (n) => members(107_000, n));
const LONG_LOG = 400_000;

const longLog: Preparation = {
  name: `a log of ${LONG_LOG} deltas`,
  chord: ['--delta-threshold', '1000000', '--cleanup-interval', 'off'],
  async run(scene) {
    const eve = scene.as('eve');
    await set(eve, contextId, { n: -1 });
    await each(LONG_LOG, 500, (n) => must(eve.call(UPDATE, update({ contextId, changes: { n } }))));
  },
};

export const readers: readonly Row[] = [
  {
    name: 'c1-sync-40',
    what: 'a sync 40 behind: 100,000 keys, all new each time',
    prepared: hundredThousand,
    attack: (scene) => synced(scene, 56),
  },
  {
    name: 'c1-sync-95',
    what: 'the same 95 behind; heap of 2 GiB',
    prepared: hundredThousand,
    heap: 2048,
    attack: (scene) => synced(scene, 1),
  },
  {
    name: 'c1-watch-95',
    what: 'a watch that resumes there; heap of 2 GiB',
    prepared: hundredThousand,
    heap: 2048,
    attack: (scene) => watched(scene, watch([ofId(contextId, at(1))])),
  },
  {
    name: 'c1-splices',
    what: 'a sync over 90 updates of 1,000 splices',
    prepared: spliced(90),
    attack: (scene) => synced(scene, 1),
  },
  {
    name: 'c1-set',
    what: 'a set of 25,000 keys where there was nothing',
    attack: (scene) => setOnce(scene, members(25_000, 0)),
  },
  {
    name: 'c1-set-refused',
    what: 'a set of 100,000 keys',
    attack: (scene) => setOnce(scene, members(100_000, 0)),
  },
  {
    name: 'c1-set-again',
    what: 'a set of 25,000 keys in place of 100,000 others',
    prepared: sets('1 set of 100,000 keys', 1, (n) => members(100_000, n)),
    attack: (scene) => setOnce(scene, members(25_000, 1)),
  },
  {
    name: 'c1-deep',
    what: 'a set of 24,000 keys, 800 chains of 30 levels',
    attack: (scene) => setOnce(scene, deep(800, 30, 1)),
  },
  {
    name: 'c1-open',
    what: 'a watch of a prefix of 30,000 contexts, nothing known',
    prepared: many(30_000),
    attack: (scene) => watched(scene, watch([ofPrefix('many:')])),
  },
  {
    name: 'c1-paths',
    what: 'a sync of 1,000 paths of a document of 100,000 keys',
    prepared: sets('1 set of 100,000 keys', 1, (n) => members(100_000, n)),
    async attack(scene) {
      const paths = Object.keys(members(1000, 0)).map((key) => ({ keys: [key] }));
      return tally([await scene.as('eve').call(SYNC, sync({ contextId, paths }))], SYNC_KINDS);
    },
  },
  {
    name: 'c1-paths-95',
    what: 'the same 95 behind',
    prepared: hundredThousand,
    async attack(scene) {
      const paths = Object.keys(members(1000, 0)).map((key) => ({ keys: [key] }));
      return tally([await scene.as('eve').call(SYNC, sync({ contextId, paths, known: at(1) }))], SYNC_KINDS);
    },
  },
  {
    name: 'c2-back',
    what: 'a sync from version 2 after 101 sets of 2.5 MB',
    prepared: returning,
    attack: (scene) => synced(scene, 2),
  },
  {
    name: 'c2-twenty',
    what: 'twenty clients that sync from there at once',
    prepared: returning,
    async attack(scene) {
      const request = sync({ contextId, known: at(2) });
      return tally(await Promise.all(numbered(20).map(() => scene.as('eve').call(SYNC, request))), SYNC_KINDS);
    },
  },
  {
    name: 'c2-watch',
    what: 'a watch that resumes there; heap of 512 MiB',
    prepared: returning,
    heap: 512,
    attack: (scene) => watched(scene, watch([ofId(contextId, at(2))])),
  },
  {
    name: 'c3-stalled',
    what: '50 watches of a prefix that are not read, over 40,000 contexts that come and go',
    attack: churned,
  },
  {
    name: 'c3-small',
    what: 'the same; heap of 256 MiB',
    heap: 256,
    attack: churned,
  },
  {
    name: 'c4-resume',
    what: 'a watch of a prefix of 60,000 contexts that knows all of them: nothing is new',
    prepared: many(60_000),
    async attack(scene) {
      const known = await positions(scene.as('eve'), 'many:');
      await scene.begin();
      return watched(scene, watch([ofPrefix('many:', known)]));
    },
  },
  {
    name: 'c4-resume-50',
    what: '50 clients that watch a prefix of 20,000 contexts and know all of them',
    prepared: many(20_000),
    async attack(scene) {
      const request = watch([ofPrefix('many:', await positions(scene.as('eve'), 'many:'))]);
      await scene.begin();
      const told = await Promise.all(numbered(50).map(() => watched(scene, request)));
      return [...new Set(told)].join(', ');
    },
  },
  {
    name: 'c5-expire',
    what: '40,000 contexts that expire together, and a watch of them',
    attack: expired,
  },
  {
    name: 'c5-delete',
    what: `a delete of a context with ${LONG_LOG} deltas`,
    prepared: longLog,
    async attack(scene) {
      const fields = { expected: undefined, requestId: '', annotations: new Map(), allowMissing: false };
      const request = DeleteContextRequest.encode({ contextId, ...fields }).finish();
      return tally([await scene.as('eve').call(METHODS.delete, request)]);
    },
  },
  {
    name: 'c5-trim',
    what: `a cleanup of ${LONG_LOG} deltas of one context`,
    prepared: longLog,
    async attack(scene) {
      const request = RunCleanupRequest.encode({ limit: 0, dryRun: false, prefix: '', options: undefined }).finish();
      return tally([await scene.as('eve').call(METHODS.cleanup, request)]);
    },
  },
];

async function setOnce(scene: Scene, value: JsonObject): Promise<string> {
  const request = setRequest(contextId, value);
  const eve = scene.as('eve');
  await scene.begin();
  return tally([await eve.call(SET, request)]);
}

/** Windows of 64 KiB fill up with the first of what comes. */
async function churned(scene: Scene): Promise<string> {
  const request = frame(watch([ofPrefix('many:')]));
  const stalled = numbered(50).map(() => scene.as('eve', 65_535).open('/chord.v1.SyncService/WatchContexts'));
  await Promise.all(stalled.map((stream) => new Promise((resolve) => stream.once('response', resolve).end(request))));
  const eve = scene.as('eve');
  await scene.begin();
  const codes = new Map<string, number>();
  const count = ({ code }: Answer) => codes.set(code, (codes.get(code) ?? 0) + 1);
  const ids = idsOf(40_000);
  const fields = { expected: undefined, requestId: '', annotations: new Map(), allowMissing: true };
  await each(ids.length, 200, async (n) => {
    const id = ids[n]!;
    count(await eve.call(SET, setRequest(id, { n })));
    count(await eve.call(METHODS.delete, DeleteContextRequest.encode({ contextId: id, ...fields }).finish()));
  });
  return [...codes].map(([code, times]) => `${times} x ${code}`).join(', ');
}

/** Contexts are told to be gone as they expire: when the last one was, after the moment when all were due. */
async function expired(scene: Scene): Promise<string> {
  const eve = scene.as('eve');
  const ids = idsOf(40_000);
  const due = Date.now() + 45_000;
  const watching = scene.as('eve').watch(watch([ofPrefix('many:')]));
  await watching.caughtUp;
  await each(ids.length, 300, (n) => {
    const ms = Math.max(1000, due - Date.now());
    const ttl = { seconds: Math.floor(ms / 1000), nanos: (ms % 1000) * 1e6 };
    const fields = { expected: undefined, requestId: '', annotations: new Map(), returning: undefined, ttl };
    return must(eve.call(SET, SetContextRequest.encode({ ...fields, contextId: ids[n]!, value: { n } }).finish()));
  });
  if (Date.now() > due) return 'could not be set before the first were due';
  // One event for each set, and the word that the watch has caught up.
  await watching.heard(ids.length + 1);
  await scene.begin();
  await watching.heard(2 * ids.length + 1);
  return `${watching.events - 1 - ids.length} of ${ids.length} told, the last ${((Date.now() - due) / 1000).toFixed(1)} s late`;
}

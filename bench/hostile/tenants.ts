/** Section B: what a caller with one right can make a server do. */
import { join } from 'node:path';
import { BatchWriteRequest, type Write } from '../../src/gen/chord/v1/context_service.js';
import {
  ExportContextRequest,
  ExportContextsRequest,
  RestoreContextRequest,
  RestoreContextsRequest,
} from '../../src/gen/chord/v1/transfer_service.js';
import { GET, SYNC, UPDATE } from '../requests.js';
import { SYNC_KINDS, tally } from './attacker.js';
import {
  ANY_MEMBERS,
  at,
  deltas,
  each,
  empties,
  get,
  list,
  METHODS,
  many,
  members,
  mutate,
  numbered,
  ofId,
  ofPrefix,
  put,
  revert,
  set,
  sets,
  splice,
  sync,
  update,
  watch,
} from './documents.js';
import { must, type Preparation, type Row, type Scene } from './run.js';

/** As long as a key may be. */
const LONG_KEY = 'k'.repeat(1024);
const contextId = 'big';
const sync99 = sets('99 + 1 sets of 1.5 MB of {}', 100, (n) => empties(115_000, n));
const sets100 = sets('100 sets of 2 MB', 100, (n) => members(87_000, n));
const sets150 = sets('150 sets of 2 MB', 150, (n) => members(87_000, n));
const exports = (scratch: string) => ['--export-url', `file:${join(scratch, 'exported')}`];

/** A list of 2 MB, and on it as many updates of 1,000 splices. */
export function spliced(updates: number): Preparation {
  return {
    name: `${updates} updates of 1,000 splices`,
    async run(scene) {
      const eve = scene.as('eve');
      await set(eve, contextId, { list: numbered(250_000).map((n) => 1_000_000 + n) });
      await each(updates, 1, (n) =>
        mutate(
          eve,
          contextId,
          numbered(1000).map((k) => splice(['list'], 1 + ((k * 241 + n * 17) % 249_000), 1, [n])),
        ),
      );
    },
  };
}

const oneByOne: Preparation = {
  name: '1,000 updates of one splice',
  async run(scene) {
    const eve = scene.as('eve');
    await set(eve, contextId, { list: numbered(250_000).map((n) => 1_000_000 + n) });
    await each(1000, 50, (n) => mutate(eve, contextId, [splice(['list'], 1 + n * 241, 1, [n])]));
  },
};

const nothingBehindKey: Preparation = {
  name: 'an object under a key of 1 KiB',
  run: async (scene) => void (await set(scene.as('eve'), contextId, { [LONG_KEY]: {} })),
};

const listBehindKey: Preparation = {
  name: '3,000 elements inserted under a key of 1 KiB',
  async run(scene) {
    const eve = scene.as('eve');
    await set(eve, contextId, { [LONG_KEY]: [0] });
    await mutate(eve, contextId, [splice([LONG_KEY], 1, 0, numbered(3000))]);
  },
};

const large60: Preparation = {
  name: '60 contexts of 3 MB of {}',
  chord: ANY_MEMBERS,
  async run(scene) {
    const eve = scene.as('eve');
    await each(60, 2, (n) => set(eve, `large:${n}`, empties(125_000, n)));
  },
};

const hundred: Preparation = {
  name: '100 contexts with two sets of 500 KB',
  async run(scene) {
    const eve = scene.as('eve');
    await each(200, 2, (n) => set(eve, `room:${n % 100}`, members(22_000, n)));
  },
};

const deepUpdates: Preparation = {
  name: '6 updates of 1,000 paths with 30 keys',
  chord: ANY_MEMBERS,
  async run(scene) {
    const eve = scene.as('eve');
    await set(eve, contextId, {});
    const path = (n: number) => [`p${n}`, ...Array(29).fill('a')];
    await each(6, 1, (n) =>
      mutate(
        eve,
        contextId,
        numbered(1000).map((k) => put(path(n * 1000 + k), n)),
      ),
    );
  },
};

export const tenants: readonly Row[] = [
  {
    name: 'b1-long-key',
    what: 'one update: 2,000 new members under one key of 1 MB; quotas of 5 writes and 1 MiB a second',
    prepared: nothingBehindKey,
    chord: () => ['--quotas', 'writesPerSecond=5,bytesPerSecond=1MiB'],
    async attack(scene) {
      const changes = { [LONG_KEY]: Object.fromEntries(numbered(2000).map((n) => [`m${n}`, n])) };
      return tally([await scene.as('eve').call(UPDATE, update({ contextId, changes }))]);
    },
  },
  {
    name: 'b2-flat',
    what: 'a page of ListDeltas in the format flat: 1,000 updates of one splice of a list of 2 MB',
    prepared: oneByOne,
    // The record before the first one is read, too: that of the whole list would fill the page.
    attack: (scene) => one(scene, METHODS.deltas, deltas({ contextId, fromVersion: 2, format: 'flat' })),
  },
  {
    name: 'b3-sync-99',
    what: 'a sync 99 behind, over sets of 1.5 MB of {}',
    prepared: sync99,
    attack: (scene) => synced(scene, 1),
  },
  {
    name: 'b4-patch',
    what: 'a sync as json_patch: 3,000 elements inserted under a key of 1 KiB',
    prepared: listBehindKey,
    attack: (scene) => synced(scene, 1, 'json_patch'),
  },
  {
    name: 'b5-paths',
    what: 'a watch of 0.7 MB: 99 prefixes with 1,000 paths each, and 300 ids below them',
    async attack(scene) {
      const paths = numbered(1000).map((n) => [n.toString(36)]);
      const prefixes = numbered(99).map((n) => ofPrefix('a'.repeat(n + 1), new Map(), paths));
      const ids = numbered(300).map((n) => ofId(`${'a'.repeat(99)}${n}`, undefined, [['x']]));
      return watched(scene, watch([...prefixes, ...ids]));
    },
  },
  {
    name: 'b6-known',
    what: 'a watch of 0.3 MB: 500 prefixes with one path each, 20,000 known below them',
    async attack(scene) {
      const known = new Map(numbered(20_000).map((n) => [`a${n}`, at(1)]));
      const scoped = numbered(499).map((n) => ofPrefix('', new Map(), [[n.toString(36)]]));
      return watched(scene, watch([...scoped, ofPrefix('a', known, [['x']])]));
    },
  },
  {
    name: 'b7-splices',
    what: 'a sync over 30 updates of 1,000 splices',
    prepared: spliced(30),
    attack: (scene) => synced(scene, 1),
  },
  {
    name: 'b8-past',
    what: 'four reads of versions 1 and 2 at once, 150 sets of 2 MB ago',
    prepared: sets150,
    async attack(scene) {
      const reads = [1, 2, 1, 2].map((version) => scene.as('eve').call(GET, get({ contextId, version })));
      return tally(await Promise.all(reads));
    },
  },
  {
    name: 'b9-export',
    what: 'an export with history: 100 sets of 2 MB',
    prepared: sets100,
    chord: exports,
    attack: (scene) => one(scene, METHODS.export, ExportContextRequest.encode({ contextId, history: true }).finish()),
  },
  {
    name: 'b10-restore',
    what: 'a restore of what b9-export has saved',
    prepared: sets100,
    chord: (scratch) => [...exports(scratch), '--export-timeout', '60s'],
    async attack(scene) {
      const saved = ExportContextRequest.encode({ contextId, history: true }).finish();
      await must(scene.as('eve').call(METHODS.export, saved));
      await scene.begin();
      return one(scene, METHODS.restore, RestoreContextRequest.encode({ contextId, overwrite: true }).finish());
    },
  },
  {
    name: 'b11-exports',
    what: 'an export of a prefix of 30,000 contexts with history',
    prepared: many(30_000),
    chord: exports,
    attack: (scene) =>
      one(scene, METHODS.exports, ExportContextsRequest.encode({ prefix: 'many:', history: true }).finish()),
  },
  {
    name: 'b12-restores',
    what: 'a restore of a prefix of 5,000 saved contexts, in place of those that are there',
    prepared: many(5000),
    chord: exports,
    async attack(scene) {
      const saved = ExportContextsRequest.encode({ prefix: 'many:', history: false }).finish();
      await must(scene.as('eve').call(METHODS.exports, saved));
      await scene.begin();
      return one(scene, METHODS.restores, RestoreContextsRequest.encode({ prefix: 'many:', overwrite: true }).finish());
    },
  },
  {
    name: 'b13-cache',
    what: '60 contexts of 3 MB of {}, read one after the other',
    prepared: large60,
    async attack(scene) {
      const eve = scene.as('eve');
      const answers: Awaited<ReturnType<typeof eve.call>>[] = [];
      await each(60, 1, async (n) => answers.push(await eve.call(GET, get({ contextId: `large:${n}` }))));
      return tally(answers);
    },
  },
  {
    name: 'b14-list',
    what: 'ten times one page of a list with the values of contexts of 3 MB',
    prepared: large60,
    async attack(scene) {
      const eve = scene.as('eve');
      const page = list({ prefix: 'large:', includeValues: true });
      return tally(await Promise.all(numbered(10).map(() => eve.call(METHODS.list, page))));
    },
  },
  {
    name: 'b15-batch-sets',
    what: 'a batch of 100 sets of 250 {} each',
    async attack(scene) {
      const fields = {
        expected: undefined,
        requestId: '',
        annotations: new Map(),
        ttl: undefined,
        returning: undefined,
      };
      const setOf = (n: number): Write['write'] => ({
        $case: 'set',
        value: { ...fields, contextId: `batch:${n}`, value: empties(250, n) },
      });
      return batch(scene, setOf);
    },
  },
  {
    name: 'b16-batch-back',
    what: 'a batch of 100 reverts of contexts of 500 KB, 3 KB sent',
    prepared: hundred,
    async attack(scene) {
      const fields = {
        expected: undefined,
        requestId: '',
        annotations: new Map(),
        ttl: undefined,
        returning: undefined,
      };
      return batch(scene, (n) => ({ $case: 'revert', value: { ...fields, contextId: `room:${n}`, version: 1 } }));
    },
  },
  {
    name: 'b17-revert',
    what: 'a revert to version 1, 100 sets of 2 MB ago',
    prepared: sets100,
    attack: (scene) => one(scene, METHODS.revert, revert({ contextId, version: 1 })),
  },
  {
    name: 'b18-deltas',
    what: 'a page of ListDeltas with old values over 100 sets of 2 MB',
    prepared: sets100,
    attack: (scene) => one(scene, METHODS.deltas, deltas({ contextId, includeOldValues: true })),
  },
  {
    name: 'b19-deep',
    what: 'a sync over 6 updates of 1,000 unrelated paths of 30 keys',
    prepared: deepUpdates,
    attack: (scene) => synced(scene, 1),
  },
  {
    name: 'b20-mutations',
    what: 'one update of 1,000 splices of a list of 250,000 numbers',
    prepared: spliced(0),
    async attack(scene) {
      const mutations = numbered(1000).map((n) => splice(['list'], (n * 241) % 249_000, 1, [n, n]));
      return one(scene, UPDATE, update({ contextId, mutations }));
    },
  },
  {
    name: 'b21-forms',
    what: '200 watches of one context, each of 1,000 paths and as json_patch; then an update of 1,000 members',
    async attack(scene) {
      const eve = scene.as('eve');
      const value = members(5000, 0);
      const names = Object.keys(value);
      await set(eve, contextId, value);
      const paths = (n: number) => numbered(1000).map((k) => [names[(n + k * 5) % names.length]!]);
      const streams = numbered(200).map((n) => eve.watch(watch([ofId(contextId, at(1), paths(n))], 'json_patch')));
      const opened = await Promise.all(streams.map(({ caughtUp }) => caughtUp));
      await scene.begin();
      const heard = streams.map((each) => each.heard(each.events + 1));
      const changes = Object.fromEntries(names.slice(0, 1000).map((name) => [name, 'new']));
      const answer = await eve.call(UPDATE, update({ contextId, changes }));
      await Promise.all(heard);
      return `${tally([answer])}; the watches: ${[...new Set(opened)].join(', ')}`;
    },
  },
  {
    name: 'b22-returning',
    what: 'one update that inserts 3,000 elements under a key of 1 KiB, and asks for its delta as json_patch',
    prepared: {
      name: 'a list under a key of 1 KiB',
      run: async (scene) => void (await set(scene.as('eve'), contextId, { [LONG_KEY]: [0] })),
    },
    async attack(scene) {
      const returning = { context: false, delta: true, oldValues: false, format: 'json_patch' };
      const mutations = [splice([LONG_KEY], 1, 0, numbered(3000))];
      return one(scene, UPDATE, update({ contextId, mutations, returning }));
    },
  },
  {
    name: 'b23-watch-patch',
    what: 'a watch as json_patch that resumes where b4-patch does',
    prepared: listBehindKey,
    attack: (scene) => watched(scene, watch([ofId(contextId, at(1))], 'json_patch')),
  },
];

async function one(scene: Scene, path: string, message: Uint8Array): Promise<string> {
  return tally([await scene.as('eve').call(path, message)]);
}

/** One sync from a version on. */
export async function synced(scene: Scene, version: number, format = ''): Promise<string> {
  return tally([await scene.as('eve').call(SYNC, sync({ contextId, known: at(version), format }))], SYNC_KINDS);
}

/** One watch, until it has caught up. */
export function watched(scene: Scene, message: Uint8Array): Promise<string> {
  return scene.as('eve').watch(message).caughtUp;
}

function batch(scene: Scene, writeOf: (n: number) => Write['write']): Promise<string> {
  const writes = numbered(100).map((n) => ({ write: writeOf(n) }));
  return one(scene, METHODS.batch, BatchWriteRequest.encode({ requestId: '', writes }).finish());
}

/**
 * The four scenarios of the Elixir library that Chord's ideas come from. A third of the actions sets a status, a
 * third a typing flag, a third syncs; `single` is 50 participants at once on one context, `multiple` is 10 actions on
 * each of 100 contexts. A stateful participant syncs from where it stands, a stateless one knows nothing.
 */
import type { openChord } from '../../src/app.js';
import { decodeStruct } from '../../src/codec/struct.js';
import { GetContextResponse } from '../../src/gen/chord/v1/context_service.js';
import { SyncContextResponse } from '../../src/gen/chord/v1/sync_service.js';
import type { JsonObject, Position } from '../../src/model.js';
import { chatRoom } from '../chatroom.js';
import { type Figure, ratio, type Target, using } from '../figures.js';
import { closeAll, open } from '../load.js';
import { median } from '../measure.js';
import { GET, getRequest, put, SYNC, syncRequest, UPDATE, updateRequest } from '../requests.js';
import { built, remove, startChord, temporaryDirectory } from '../servers.js';

/** Milliseconds for one run, as the Elixir library took on a machine with two cores: not measured here. */
const ELIXIR = {
  memory: { store: 'ETS', single: [2.8, 2.5], multiple: [250, 160] },
  lmdb: { store: 'Redis', single: [20.8, 15.2], multiple: [1223, 870] },
} as const;
const WIDTHS = { single: { contexts: 1, actions: 50 }, multiple: { contexts: 100, actions: 10 } } as const;

/** What a scenario needs of Chord, in this process or over the network. */
interface Client {
  create(id: string): Promise<unknown>;
  update(id: string, changes: JsonObject): Promise<unknown>;
  /** Answers where the caller stands then, for those who remember it. */
  sync(id: string, known: Position | undefined, remembers: boolean): Promise<Position | undefined>;
  read(id: string): Promise<{ document: JsonObject; version: number }>;
}

export const scenarios: Target = {
  id: 'S',
  title: 'the scenarios of the Elixir library, in process and over gRPC',
  async run(plan): Promise<Figure[]> {
    const figures: Figure[] = [];
    for (const backend of ['memory', 'lmdb'] as const) {
      for (const way of ['in process', 'over gRPC'] as const) {
        for (const shape of ['single', 'multiple'] as const) {
          for (const stateful of [false, true]) {
            const reference = ELIXIR[backend][shape][stateful ? 1 : 0];
            const runs = await using(async (keep) => {
              const client = way === 'in process' ? await inProcess(keep, backend) : await overGrpc(keep, backend);
              return play(client, WIDTHS[shape], stateful, plan.quick ? 1000 : 3000);
            });
            const name = `${shape}, ${stateful ? 'stateful' : 'stateless'}, ${backend}, ${way}`;
            figures.push(
              ratio({
                target: 'S',
                name: `${name}; ${runs.lost} of ${runs.acknowledged} updates lost`,
                unit: 'ms/run',
                ours: median(runs.times),
                peer: reference,
                against: `Elixir, ${ELIXIR[backend].store}, elsewhere`,
                goal: { ratioAtMost: way === 'in process' ? 0.2 : 1 },
                details: { lost: runs.lost, acknowledged: runs.acknowledged, runs: runs.times.length },
              }),
            );
            if (runs.lost > 0) throw new Error(`${name}: ${runs.lost} acknowledged updates are lost`);
          }
        }
      }
    }
    return figures;
  },
};

type Keep = <R>(resource: R, close: (resource: R) => unknown) => R;

async function inProcess(keep: Keep, backend: 'memory' | 'lmdb'): Promise<Client> {
  const dataDir = keep(temporaryDirectory(), remove);
  const { openChord: openBuilt } = await built<{ openChord: typeof openChord }>('index.js');
  const { contexts } = keep(await openBuilt({ backend, dataDir }), (chord) => chord.close());
  return {
    create: (id) => contexts.set(id, chatRoom()),
    update: (id, changes) => contexts.update(id, { changes }),
    async sync(id, known) {
      const result = await contexts.sync(id, known);
      if (result.kind === 'full') return result.view.head.position;
      if (result.kind === 'missing') throw new Error(`${id} is missing`);
      return result.kind === 'delta' ? result.delta.to : result.position;
    },
    async read(id) {
      const { value, head } = await contexts.get(id);
      return { document: decodeStruct(value.bytes), version: head.position.version };
    },
  };
}

async function overGrpc(keep: Keep, backend: 'memory' | 'lmdb'): Promise<Client> {
  const chord = keep(await startChord({ backend }), (server) => server.stop());
  const connections = keep(await open(chord.address, 4), closeAll);
  let calls = 0;
  const next = () => connections[calls++ % connections.length]!;
  return {
    create: (id) => put(next(), id, chatRoom()),
    update: (id, changes) => next().unary(UPDATE, updateRequest(id, changes)),
    async sync(id, known, remembers) {
      const bytes = await next().unary(SYNC, syncRequest(id, known));
      if (!remembers) return undefined;
      const { result } = SyncContextResponse.decode(bytes);
      if (result?.$case === 'full') return result.value.context!.position!;
      return result?.$case === 'delta' ? result.value.to! : result!.value.position!;
    },
    async read(id) {
      const { context } = GetContextResponse.decode(await next().unary(GET, getRequest(id)));
      return { document: context!.value as JsonObject, version: context!.position!.version };
    },
  };
}

interface Played {
  /** Milliseconds of each run. */
  readonly times: number[];
  readonly acknowledged: number;
  readonly lost: number;
}

/** Runs for so many milliseconds after a tenth to warm up, then looks for each participant's last acknowledged update. */
async function play(
  client: Client,
  { contexts, actions }: { contexts: number; actions: number },
  stateful: boolean,
  milliseconds: number,
): Promise<Played> {
  const ids = Array.from({ length: contexts }, (_, n) => `room:${n}`);
  await Promise.all(ids.map((id) => client.create(id)));
  const known = new Map<string, Position>();
  const written = new Map<string, JsonObject>();
  const times: number[] = [];
  let acknowledged = 0;
  const act = async (id: string, n: number, run: number) => {
    const who = `${id} user_${n}`;
    if (n % 3 === 2) {
      const position = await client.sync(id, known.get(who), stateful);
      if (position && stateful) known.set(who, position);
      return;
    }
    const fields: JsonObject =
      n % 3 === 0 ? { status: `status ${run}` } : { typing: run % 2 === 0 ? `since ${run}` : false };
    await client.update(id, { participants: { [`user_${n}`]: fields } });
    written.set(who, fields);
    acknowledged++;
  };
  const begin = performance.now();
  for (let run = 0; performance.now() - begin < milliseconds * 1.1 || times.length === 0; run++) {
    const start = performance.now();
    await Promise.all(ids.flatMap((id) => Array.from({ length: actions }, (_, n) => act(id, n, run))));
    if (start - begin > milliseconds * 0.1) times.push(performance.now() - start);
  }
  // Each update changes something, and so makes a version; and each participant's last one must be there.
  let lost = acknowledged;
  for (const id of ids) {
    const { document, version } = await client.read(id);
    const participants = document.participants as Record<string, JsonObject>;
    lost -= version - 1;
    for (let n = 0; n < actions; n++) {
      const expected = Object.entries(written.get(`${id} user_${n}`) ?? {});
      lost += expected.filter(([field, value]) => participants[`user_${n}`]?.[field] !== value).length;
    }
  }
  return { times, acknowledged, lost };
}

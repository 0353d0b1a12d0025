/**
 * The four scenarios of the Elixir library that Chord's ideas come from. A third of the actions sets a status, a
 * third a typing flag, a third syncs; `single` is 50 participants at once on one context, `multiple` is 10 actions on
 * each of 100 contexts. A stateful participant syncs from where it stands, a stateless one knows nothing.
 */

import { decodeChanges } from '../../src/codec/changes.js';
import type { Form } from '../../src/contexts/lane/document.js';
import { GetContextResponse } from '../../src/gen/chord/v1/context_service.js';
import { SyncContextResponse } from '../../src/gen/chord/v1/sync_service.js';
import type { JsonObject, Position } from '../../src/model/model.js';
import type { openChord } from '../../src/server/app.js';
import { chatRoom } from '../chatroom.js';
import type { Connection } from '../client.js';
import { type Figure, type Keep, ratio, type Target, using } from '../figures.js';
import { closeAll, open, type Side, side, summarize } from '../load.js';
import { cpuOf, Latencies, median } from '../measure.js';
import type { Plan } from '../plan.js';
import { GET, getRequest, put, SYNC, syncRequest, update } from '../requests.js';
import { built, find, remove, startChord, startRedis, temporaryDirectory } from '../servers.js';
import { Followers, versionKey } from '../streams.js';

/** Milliseconds for one run, as the Elixir library took on a machine with two cores: not measured here. */
const ELIXIR = {
  ETS: { single: [2.8, 2.5], multiple: [250, 160] },
  Redis: { single: [20.8, 15.2], multiple: [1223, 870] },
} as const;
const BACKENDS = { memory: 'ETS', lmdb: 'Redis', redis: 'Redis' } as const;
const WIDTHS = { single: { contexts: 1, actions: 50 }, multiple: { contexts: 100, actions: 10 } } as const;

type Backend = keyof typeof BACKENDS;
type Shape = keyof typeof WIDTHS;

/** What a scenario needs of Chord, in this process or over the network. */
interface Client {
  create(id: string): Promise<unknown>;
  /** Answers the version that it made. */
  update(id: string, changes: JsonObject): Promise<number>;
  /** Answers where the caller stands then. Where that takes the document, it has been decoded. */
  sync(id: string, known: Position | undefined): Promise<Position>;
  read(id: string): Promise<{ document: JsonObject; version: number }>;
}

export const scenarios: Target = {
  id: 'S',
  title: 'the scenarios of the Elixir library, in process and over gRPC',
  seconds: 105,
  async run(plan): Promise<Figure[]> {
    const figures: Figure[] = [];
    const medians = new Map<string, number>();
    for (const backend of ['memory', 'lmdb', 'redis'] as const) {
      if (backend === 'redis' && !find('redis-server')) {
        plan.note('S: without Redis, redis-server is not installed');
        continue;
      }
      for (const shape of ['single', 'multiple'] as const) {
        for (const stateful of [false, true]) {
          for (const way of ['in process', 'over gRPC'] as const) {
            const name = `${shape}, ${stateful ? 'stateful' : 'stateless'}, ${backend}, ${way}`;
            plan.progress(name);
            const played = await using(async (keep) => {
              const flags = await flagsOf(keep, backend);
              const client = way === 'in process' ? inProcess(keep, backend, flags) : overGrpc(keep, backend, flags);
              return play(await client, WIDTHS[shape], stateful, plan.quick ? 1000 : 2000);
            });
            if (played.lost > 0) throw new Error(`${name}: ${played.lost} acknowledged updates are lost`);
            const store = BACKENDS[backend];
            const reference = ELIXIR[store][shape][stateful ? 1 : 0];
            medians.set(name, median(played.times));
            figures.push(figureOf(name, played, reference, `Elixir, ${store}, on another machine`));
          }
        }
        const name = `${shape}, stateful, ${backend}, over gRPC`;
        figures.push(await watchedFigure(plan, backend, shape, medians.get(name)!));
      }
    }
    return figures;
  },
};

/** The range is that of the medians of five parts of the time. No goal: the times of the peer are another machine's. */
function figureOf(name: string, played: Played, peer: number, against: string): Figure {
  const { times, lost, acknowledged } = played;
  const size = Math.ceil(times.length / 5);
  const parts = Array.from({ length: Math.ceil(times.length / size) }, (_, n) => times.slice(n * size, (n + 1) * size));
  const ratios = parts.map((part) => median(part) / peer);
  const latencies = new Latencies();
  for (const time of times) latencies.add(time);
  const [p50, p99] = latencies.percentiles(0.5, 0.99);
  return ratio({
    target: 'S',
    name: `${name}; ${lost} of ${acknowledged.toLocaleString('en')} updates lost`,
    unit: 'ms/run',
    ours: median(times),
    peer,
    against,
    range: [Math.min(...ratios), Math.max(...ratios)],
    details: { lost, acknowledged, runs: times.length, p50, p99 },
  });
}

/** The same with each participant watching its context, and what the streams tell of it. */
function watchedFigure(plan: Plan, backend: Backend, shape: Shape, peer: number): Promise<Figure> {
  const name = `${shape}, stateful, ${backend}, over gRPC, every participant watches`;
  plan.progress(name);
  return using(async (keep) => {
    const client = await overGrpc(keep, backend, await flagsOf(keep, backend));
    const { contexts, actions } = WIDTHS[shape];
    const readers = keep(await open(client.server.address, 2), closeAll);
    const watching = new Watching(readers, contexts * actions, (n) => roomId(n % contexts));
    const milliseconds = plan.quick ? 1000 : 2000;
    const { cpu, result } = await cpuOf(client.server, () => play(client, WIDTHS[shape], true, milliseconds, watching));
    const { times, acknowledged, lost } = result;
    if (lost > 0) throw new Error(`${name}: ${lost} acknowledged updates are lost`);
    const side = watching.side(`deliveries to ${contexts * actions} watchers`, cpu);
    return ratio({
      target: 'S',
      name: `${name}; ${lost} of ${acknowledged.toLocaleString('en')} updates lost`,
      unit: 'ms/run',
      ours: median(times),
      peer,
      against: 'without watchers',
      sides: [side],
    });
  });
}

/** Participants who watch, and what they see. Each must hold the last version in the end. */
class Watching {
  readonly #sent = new Map<string, number>();
  readonly #versions = new Map<string, number>();
  #followers: Followers | undefined;
  #begin = 0;
  #end = 0;
  #finalMs = 0;

  constructor(
    private readonly connections: readonly Connection[],
    private readonly count: number,
    private readonly idOf: (n: number) => string,
  ) {}

  async start(): Promise<void> {
    this.#followers = await Followers.open(this.connections, this.count, { idOf: this.idOf });
    this.#followers.forget();
    this.#begin = performance.now();
  }

  wrote(id: string, version: number, sent: number): void {
    this.#sent.set(versionKey(id, version), sent);
    this.#versions.set(id, Math.max(version, this.#versions.get(id) ?? 0));
  }

  async end(): Promise<void> {
    const last = performance.now();
    await this.#followers!.reach((id) => this.#versions.get(id)!);
    this.#end = performance.now();
    this.#finalMs = this.#end - last;
  }

  /** Operations are deliveries. */
  side(name: string, cpu: number): Side {
    const { receipts, bytes } = this.#followers!;
    const seconds = (this.#end - this.#begin) / 1000;
    const latencies = this.#followers!.latencies(this.#sent);
    const sample = { operations: receipts.length, seconds, cpu, latencies, bytes, finalMs: this.#finalMs };
    return side(name, [summarize(sample)]);
  }
}

interface RedisFlags {
  readonly redisUrl?: string;
}

async function flagsOf(keep: Keep, backend: Backend): Promise<RedisFlags> {
  if (backend !== 'redis') return {};
  const redis = keep(await startRedis(), (server) => server.stop());
  return { redisUrl: `redis://${redis.address}` };
}

async function inProcess(keep: Keep, backend: Backend, flags: RedisFlags): Promise<Client> {
  const dataDir = keep(temporaryDirectory(), remove);
  const { openChord: openBuilt, DECODED } = await built<{ openChord: typeof openChord; DECODED: Form<JsonObject> }>(
    'index.js',
  );
  const { contexts } = keep(await openBuilt({ backend, dataDir, ...flags }), (chord) => chord.close());
  return {
    create: (id) => contexts.set(id, chatRoom()),
    update: async (id, changes) => (await contexts.update(id, { changes })).position!.version,
    async sync(id, known) {
      const result = await contexts.sync(id, known, DECODED);
      if (result.kind === 'missing') throw new Error(`${id} is missing`);
      if (result.kind === 'no_change') return result.position;
      if (result.kind === 'delta') {
        decodeChanges(result.delta.payload.changes);
        return result.delta.to;
      }
      return result.view.head.position;
    },
    async read(id) {
      const { value, head } = await contexts.get(id, DECODED);
      return { document: value, version: head.position.version };
    },
  };
}

async function overGrpc(keep: Keep, backend: Backend, { redisUrl }: RedisFlags) {
  const flags = redisUrl === undefined ? [] : ['--redis-url', redisUrl];
  const chord = keep(await startChord({ backend, flags }), (server) => server.stop());
  const connections = keep(await open(chord.address, 4), closeAll);
  let calls = 0;
  const next = () => connections[calls++ % connections.length]!;
  const client: Client = {
    create: (id) => put(next(), id, chatRoom()),
    update: async (id, changes) => (await update(next(), id, changes)).version,
    async sync(id, known) {
      const { result } = SyncContextResponse.decode(await next().unary(SYNC, syncRequest(id, known)));
      if (result?.$case === 'full') return result.value.context!.position!;
      return result?.$case === 'delta' ? result.value.to! : result!.value.position!;
    },
    async read(id) {
      const { context } = GetContextResponse.decode(await next().unary(GET, getRequest(id)));
      return { document: context!.value as JsonObject, version: context!.position!.version };
    },
  };
  return { ...client, server: chord };
}

function roomId(n: number): string {
  return `room:${n}`;
}

interface Played {
  /** Milliseconds of each run. */
  readonly times: number[];
  readonly acknowledged: number;
  readonly lost: number;
}

/** Runs for so many milliseconds after half of that to warm up, then looks for each participant's last acknowledged update. */
async function play(
  client: Client,
  { contexts, actions }: { contexts: number; actions: number },
  stateful: boolean,
  milliseconds: number,
  watching?: Watching,
): Promise<Played> {
  const ids = Array.from({ length: contexts }, (_, n) => roomId(n));
  await Promise.all(ids.map((id) => client.create(id)));
  await watching?.start();
  const known = new Map<string, Position>();
  const written = new Map<string, JsonObject>();
  const times: number[] = [];
  let acknowledged = 0;
  const act = async (id: string, n: number, run: number) => {
    const who = `${id} user_${n}`;
    if (n % 3 === 2) {
      const position = await client.sync(id, known.get(who));
      if (stateful) known.set(who, position);
      return;
    }
    const fields: JsonObject =
      n % 3 === 0 ? { status: `status ${run}` } : { typing: run % 2 === 0 ? `since ${run}` : false };
    const sent = watching ? performance.now() : 0;
    const version = await client.update(id, { participants: { [`user_${n}`]: fields } });
    watching?.wrote(id, version, sent);
    written.set(who, fields);
    acknowledged++;
  };
  const begin = performance.now();
  for (let run = 0; performance.now() - begin < milliseconds * 1.5 || times.length === 0; run++) {
    const start = performance.now();
    await Promise.all(ids.flatMap((id) => Array.from({ length: actions }, (_, n) => act(id, n, run))));
    if (start - begin > milliseconds * 0.5) times.push(performance.now() - start);
  }
  await watching?.end();
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

/** UpdateContext and SyncContext under ghz, a load generator of its own making: configs in bench/ghz/. */
import { execFile, execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { chatRoom, statusUpdate } from '../chatroom.js';
import { cpuRatio, type Figure, type Plan, ratio, type Target, using } from '../figures.js';
import { closeAll, open, type Side } from '../load.js';
import { cpuOf, median, type Process } from '../measure.js';
import { put, SYNC, syncRequest, UPDATE, updateRequest } from '../requests.js';
import { remove, startChord, startEcho, temporaryDirectory } from '../servers.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const PLACES = [join(ROOT, '.tools/bin/ghz'), join(homedir(), 'go/bin/ghz')];
const ROOM = 'room:1';

export const ghz: Target = {
  id: 'G',
  title: 'UpdateContext and SyncContext under ghz: closed loop beside an echo, open loop for latency',
  run: (plan) =>
    using(async (keep): Promise<Figure[]> => {
      const program = PLACES.find(existsSync);
      if (!program) {
        plan.progress('G: skipped, ghz is not installed (make bench installs it)');
        return [];
      }
      const directory = keep(temporaryDirectory(), remove);
      const protoset = join(directory, 'chord.binpb');
      execFileSync(join(ROOT, 'node_modules/.bin/buf'), ['build', '--as-file-descriptor-set', '-o', protoset], {
        cwd: ROOT,
      });
      const chord = keep(await startChord(), (server) => server.stop());
      const echo = keep(await startEcho(), (server) => server.stop());
      const [ours, theirs] = [
        ...keep(await open(chord.address, 1), closeAll),
        ...keep(await open(echo.address, 1), closeAll),
      ];
      await put(ours!, ROOM, chatRoom());
      const figures: Figure[] = [];
      for (const { name, path, request, atMost } of CALLS) {
        await theirs!.unary('/bench.Echo/Prepare', await ours!.unary(path, request));
        const drive = (server: Process, config: string) => run(program, server, protoset, config, plan);
        const runs: { ours: Side[]; peer: Side[] } = { ours: [], peer: [] };
        for (let round = 0; round < (plan.quick ? 2 : 4); round++) {
          const pair = [await drive(chord, `${name}-closed`), await drive(echo, `${name}-closed`)] as const;
          if (round === 0) continue;
          runs.ours.push(pair[0]);
          runs.peer.push(pair[1]);
        }
        const [mine, peer] = [middle('Chord, LMDB', runs.ours), middle('grpc-js echo', runs.peer)];
        figures.push(cpuRatio('G', `${path.split('/').at(-1)}, closed loop of ghz`, 'call', mine, peer, atMost));
        const latency = { ours: await drive(chord, `${name}-open`), peer: await drive(echo, `${name}-open`) };
        figures.push(
          ratio({
            target: 'G',
            name: `${path.split('/').at(-1)}, 1,000 calls/s of ghz, p99`,
            unit: 'ms',
            ours: latency.ours.p99,
            peer: latency.peer.p99,
            against: 'grpc-js echo',
            details: latency,
          }),
        );
      }
      return figures;
    }),
};

const CALLS = [
  { name: 'update', path: UPDATE, request: updateRequest(ROOM, statusUpdate(1)), atMost: 1.4 },
  { name: 'sync', path: SYNC, request: syncRequest(ROOM), atMost: 1.3 },
];

/** What of ghz's report is read; times are in nanoseconds. */
interface Report {
  readonly count: number;
  readonly rps: number;
  readonly statusCodeDistribution: Readonly<Record<string, number>>;
  readonly latencyDistribution: readonly { percentage: number; latency: number }[];
}

async function run(program: string, server: Process, protoset: string, config: string, plan: Plan): Promise<Side> {
  const args = ['--config', join(ROOT, `bench/ghz/${config}.json`), '--protoset', protoset];
  const { cpu, result } = await cpuOf(server, () =>
    promisify(execFile)(program, [...args, '-z', `${plan.seconds * 2}s`, '-O', 'json', server.address], {
      maxBuffer: 1 << 30,
    }),
  );
  const report = JSON.parse(result.stdout) as Report;
  const { OK = 0, ...failed } = report.statusCodeDistribution;
  if (OK === 0 || Object.keys(failed).length > 0) throw new Error(`ghz ${config}: ${JSON.stringify(failed)}, ${OK} OK`);
  const percentile = (wanted: number) =>
    (report.latencyDistribution.find(({ percentage }) => percentage === wanted)?.latency ?? Number.NaN) / 1e6;
  return {
    name: config,
    cpuPerOperation: cpu / report.count,
    operationsPerSecond: report.rps,
    p50: percentile(50),
    p99: percentile(99),
  };
}

function middle(name: string, sides: readonly Side[]): Side {
  const of = (figure: (side: Side) => number) => median(sides.map(figure));
  return {
    name,
    cpuPerOperation: of((side) => side.cpuPerOperation),
    operationsPerSecond: of((side) => side.operationsPerSecond),
    p50: of((side) => side.p50),
    p99: of((side) => side.p99),
  };
}

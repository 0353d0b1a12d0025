/** UpdateContext and SyncContext under ghz, a load generator of its own making: configs in bench/ghz/. */
import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { chatRoom, statusUpdate } from '../chatroom.js';
import { type Comparison, compare, cpuRatio, type Figure, type Target, using } from '../figures.js';
import { closeAll, open, type Round, side } from '../load.js';
import { cpuOf, type Process } from '../measure.js';
import { put, SYNC, syncRequest, UPDATE, updateRequest } from '../requests.js';
import { find, ROOT, remove, startChord, startEcho, temporaryDirectory } from '../servers.js';

const ROOM = 'room:1';
const PEER = 'grpc-js echo';

export const ghz: Target = {
  id: 'G',
  title: 'UpdateContext and SyncContext under ghz: closed loop beside an echo, open loop for latency',
  seconds: 105,
  needs: ['ghz'],
  run: (plan) =>
    using(async (keep): Promise<Figure[]> => {
      const directory = keep(temporaryDirectory(), remove);
      const protoset = join(directory, 'chord.binpb');
      const buf = join(ROOT, 'node_modules/.bin/buf');
      execFileSync(buf, ['build', '--as-file-descriptor-set', '-o', protoset], { cwd: ROOT });
      const chord = keep(await startChord(), (server) => server.stop());
      const echo = keep(await startEcho(), (server) => server.stop());
      const [ours] = keep(await open(chord.address, 1), closeAll);
      const [theirs] = keep(await open(echo.address, 1), closeAll);
      await put(ours!, ROOM, chatRoom());
      const figures: Figure[] = [];
      for (const { name, path, request, atMost } of CALLS) {
        await theirs!.unary('/bench.Echo/Prepare', await ours!.unary(path, request));
        const drive = (server: Process, loop: string) => run(server, protoset, `${name}-${loop}`, plan.quick ? 2 : 3);
        const call = path.split('/').at(-1)!;
        for (const { loop, what } of LOOPS) {
          const sides: { ours: Round[]; peer: Round[] } = { ours: [], peer: [] };
          // The first round warms up.
          for (let round = 0; round <= (plan.quick ? 1 : 3); round++) {
            plan.progress(`${call}, ${what}, round ${round}`);
            const pair = [await drive(chord, loop), await drive(echo, loop)] as const;
            if (round === 0) continue;
            sides.ours.push(pair[0]);
            sides.peer.push(pair[1]);
          }
          const both = { ours: side('Chord, LMDB', sides.ours), peer: side(PEER, sides.peer) };
          const figure = (title: string, of: Comparison['of'], unit: string) =>
            compare({ target: 'G', name: `${call}, ${what}: ${title}`, of, unit, ...both });
          if (loop === 'closed') {
            figures.push(cpuRatio('G', `${call}, ${what}`, 'call', both.ours, both.peer, atMost));
            figures.push(figure('throughput', 'operationsPerSecond', 'calls/s'));
          } else {
            figures.push({ ...figure('p50', 'p50', 'ms'), sides: [both.ours, both.peer] }, figure('p99', 'p99', 'ms'));
          }
        }
      }
      return figures;
    }),
};

/** A closed loop finds the ceiling; its latencies are those of a queue. An open one sends whatever the server does. */
const LOOPS = [
  { loop: 'closed', what: 'closed loop of ghz' },
  { loop: 'open', what: '1,000 calls/s of ghz' },
] as const;

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

async function run(server: Process, protoset: string, config: string, seconds: number): Promise<Round> {
  const args = ['--config', join(ROOT, `bench/ghz/${config}.json`), '--protoset', protoset];
  const { cpu, result } = await cpuOf(server, () =>
    promisify(execFile)(find('ghz')!, [...args, '-z', `${seconds}s`, '-O', 'json', server.address], {
      maxBuffer: 1 << 30,
    }),
  );
  const report = JSON.parse(result.stdout) as Report;
  const { OK = 0, ...failed } = report.statusCodeDistribution;
  if (OK === 0 || Object.keys(failed).length > 0) throw new Error(`ghz ${config}: ${JSON.stringify(failed)}, ${OK} OK`);
  const percentile = (wanted: number) =>
    (report.latencyDistribution.find(({ percentage }) => percentage === wanted)?.latency ?? Number.NaN) / 1e6;
  return {
    cpuPerOperation: cpu / report.count,
    operationsPerSecond: report.rps,
    p50: percentile(50),
    p99: percentile(99),
  };
}

/** What a sync costs beside an echo that answers the same bytes (P3). */
import { SyncContextResponse } from '../../src/gen/chord/v1/sync_service.js';
import { chatRoom, statusUpdate } from '../chatroom.js';
import { cpuRatio, type Figure, type Target, using } from '../figures.js';
import { closeAll, closedLoop, inTurn, open } from '../load.js';
import { put, SYNC, syncRequest, update } from '../requests.js';
import { startChord, startEcho } from '../servers.js';

const CONNECTIONS = 4;
const IN_FLIGHT = 50;
const ROOM = 'room:1';
const BEHIND = 10;

export const p3: Target = {
  id: 'P3',
  title: 'SyncContext of the chat room',
  seconds: 80,
  run: (plan) =>
    using(async (keep) => {
      const chord = keep(await startChord(), (server) => server.stop());
      const echo = keep(await startEcho(), (server) => server.stop());
      const ours = keep(await open(chord.address, CONNECTIONS), closeAll);
      const theirs = keep(await open(echo.address, CONNECTIONS), closeAll);
      const behind = await put(ours[0]!, ROOM, chatRoom());
      let head = behind;
      for (let n = 0; n < BEHIND; n++) head = await update(ours[0]!, ROOM, statusUpdate(n));
      const kinds = [
        { name: 'no change', kind: 'noChange', request: syncRequest(ROOM, head), atMost: 1.2 },
        { name: `delta, ${BEHIND} behind`, kind: 'delta', request: syncRequest(ROOM, behind), atMost: 1.3 },
        { name: 'full document', kind: 'full', request: syncRequest(ROOM), atMost: 1.3 },
      ];
      const figures: Figure[] = [];
      for (const { name, kind, request, atMost } of kinds) {
        const answer = await ours[0]!.unary(SYNC, request);
        if (SyncContextResponse.decode(answer).result?.$case !== kind) throw new Error(`the answer is not ${kind}`);
        await theirs[0]!.unary('/bench.Echo/Prepare', answer);
        const load = { body: () => request, inFlight: IN_FLIGHT, seconds: plan.seconds };
        const sides = await inTurn(plan, {
          Chord: () => closedLoop(chord, ours, { ...load, path: SYNC }),
          'grpc-js echo': () => closedLoop(echo, theirs, { ...load, path: '/bench.Echo/Answer' }),
        });
        figures.push(cpuRatio('P3', `SyncContext: ${name}`, 'call', sides.Chord, sides['grpc-js echo'], atMost));
      }
      return figures;
    }),
};

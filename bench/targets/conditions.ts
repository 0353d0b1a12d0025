/** What a write pays for what it says of itself (P19): what it rests on, and annotations. */
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { newToken, tokenLine } from '../../src/auth/tokens.js';
import { UpdateContextRequest, UpdateContextResponse } from '../../src/gen/chord/v1/context_service.js';
import type { Position } from '../../src/model/model.js';
import { chatRoom, statusUpdate } from '../chatroom.js';
import type { Connection, Security } from '../client.js';
import { cpuRatio, type Keep, type Target, using } from '../figures.js';
import { closeAll, closedLoop, inTurn, open } from '../load.js';
import type { Process } from '../measure.js';
import type { Plan } from '../plan.js';
import { put, UPDATE } from '../requests.js';
import { startChord } from '../servers.js';

const CONNECTIONS = 4;
const IN_FLIGHT = 50;
const BEHIND = 10;
const AUTHOR = 'team/checkout';
const ANNOTATIONS = new Map([
  ['request', 'cart/checkout'],
  ['device', 'phone-3'],
]);

/** A room has one call under way at a time, so that its writer knows how far behind a position is. */
interface Room {
  readonly id: string;
  /** The last positions, oldest first. */
  readonly positions: Position[];
}

type Own = Pick<UpdateContextRequest, 'expected' | 'annotations'>;
const PLAIN: Own = { expected: undefined, annotations: new Map() };
/** Nothing changes the topic: the condition holds, and each change since is compared with it. */
const guarded = ({ positions: [since] }: Room): Own => ({
  ...PLAIN,
  expected: {
    condition: { $case: 'unchanged', value: { since, paths: [{ keys: ['metadata', 'topic'] }] } },
    checks: [],
  },
});

function drive(
  server: Process,
  connections: Connection[],
  rooms: readonly Room[],
  plan: Plan,
  own: (room: Room) => Own,
) {
  return () => {
    const free = [...rooms];
    const busy = new Map<number, Room>();
    return closedLoop(server, connections, {
      path: UPDATE,
      body: (n) => {
        const room = free.pop()!;
        busy.set(n, room);
        const rest = { contextId: room.id, requestId: '', mutations: [], allowMissing: false };
        return UpdateContextRequest.encode({ ...rest, ...own(room), changes: statusUpdate(n) }).finish();
      },
      answered: (answer, n) => {
        const room = busy.get(n)!;
        busy.delete(n);
        room.positions.push(UpdateContextResponse.decode(answer).position!);
        if (room.positions.length > BEHIND) room.positions.shift();
        free.push(room);
      },
      ...{ inFlight: IN_FLIGHT, seconds: plan.seconds },
    });
  };
}

/** A server, and how to drive it. */
async function prepare(keep: Keep, flags: readonly string[], security: Security, plan: Plan) {
  const chord = keep(await startChord({ flags }), (server) => server.stop());
  const connections = keep(await open(chord.address, CONNECTIONS, security), closeAll);
  const rooms = Array.from({ length: CONNECTIONS * IN_FLIGHT }, (_, n): Room => ({ id: `r${n}`, positions: [] }));
  await Promise.all(
    rooms.map(async ({ id, positions }, n) => {
      positions.push(await put(connections[n % CONNECTIONS]!, id, chatRoom()));
    }),
  );
  return (own: (room: Room) => Own) => drive(chord, connections, rooms, plan, own);
}

/** What a server needs to know who writes, and the writer's token. */
function authored(directory: string) {
  const token = newToken();
  const [tokens, rules] = [join(directory, 'tokens'), join(directory, 'rules.json')];
  writeFileSync(tokens, `${tokenLine(AUTHOR, token)}\n`);
  const grants = [{ prefix: '', rights: ['read', 'write'] }];
  writeFileSync(rules, JSON.stringify({ identities: { [AUTHOR]: { grants } } }));
  return { token, flags: ['--auth-tokens', tokens, '--auth-rules', rules] };
}

export const p19: Target = {
  id: 'P19',
  title: `UpdateContext, guarded by a position ${BEHIND} behind, beside without`,
  seconds: 55,
  run: (plan) =>
    using(async (keep) => {
      const directory = keep(await mkdtemp(join(tmpdir(), 'chord-bench-')), (each) => rm(each, { recursive: true }));
      const { token, flags } = authored(directory);
      const plain = await prepare(keep, [], {}, plan);
      const known = await prepare(keep, flags, { token }, plan);
      const annotated = () => ({ ...PLAIN, annotations: ANNOTATIONS });
      const sides = await inTurn(plan, {
        guarded: plain(guarded),
        annotated: plain(annotated),
        authored: known(annotated),
        plain: plain(() => PLAIN),
      });
      return [
        cpuRatio('P19', p19.title, 'call', sides.guarded, sides.plain, 1.15),
        cpuRatio(
          'P19',
          'UpdateContext with two annotations, beside without',
          'call',
          sides.annotated,
          sides.plain,
          1.03,
        ),
        // The check of the token and of the rights is in it.
        cpuRatio(
          'P19',
          'UpdateContext with an author and two annotations, beside without',
          'call',
          sides.authored,
          sides.plain,
        ),
      ];
    }),
};

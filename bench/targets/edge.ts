/** What the production edge costs each call (E): TLS, tokens and rules, quotas, metrics, the web port, and all of these, beside none; and an audit log. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { newToken, tokenLine } from '../../src/auth/tokens.js';
import { Authority, HERE, writePair } from '../../test/support/certificates.js';
import { chatRoom, statusUpdate } from '../chatroom.js';
import type { Connection, Security } from '../client.js';
import { cpuRatio, type Figure, type Keep, type Target, using } from '../figures.js';
import { closeAll, closedLoop, inTurn, open, type Sample } from '../load.js';
import type { Process } from '../measure.js';
import { put, UPDATE, updateRequest } from '../requests.js';
import { remove, startChord, startEcho, temporaryDirectory } from '../servers.js';

const CONNECTIONS = 4;
const IN_FLIGHT = 50;
const ROOM = 'room:1';
const WHO = 'bench';
/** So much dearer may our own part be. The price of TLS is Node's. */
const AT_MOST = 1.05;
/** Smaller differences than elsewhere need more rounds. */
const MORE_ROUNDS = 2;

const updates = Array.from({ length: 1000 }, (_, n) => updateRequest(ROOM, statusUpdate(n)));
const nextUpdate = (n: number) => updates[n % updates.length]!;

export const edge: Target = {
  id: 'E',
  title: 'UpdateContext as in P1, with TLS, with token and rules, with quotas, with metrics, with the web port',
  seconds: 160,
  run: (plan) =>
    using(async (keep): Promise<Figure[]> => {
      const parts = await settingsIn(keep(temporaryDirectory(), remove));
      const { tls, access, quotas, metrics } = parts;
      const loads: Record<string, () => Promise<Sample>> = {};
      const add = async (name: string, flags: readonly string[], security: Security = {}) => {
        const chord = keep(await startChord({ flags }), (server) => server.stop());
        const connections = keep(await open(chord.address, CONNECTIONS, security), closeAll);
        // Over all connections: the server closes those that make no call.
        await Promise.all(connections.map((each) => put(each, ROOM, chatRoom())));
        loads[name] = drive(chord, connections, UPDATE, plan.seconds);
        return connections[0]!;
      };
      const { ca, token } = parts;
      const plain = await add('plain', []);
      const answer = await plain.unary(UPDATE, nextUpdate(0));
      await add('TLS', tls, { ca });
      await add('token and rules', access, { token });
      await add('quotas', quotas);
      await add('metrics', metrics);
      await add('web port', parts.web);
      // On its own, and not among all of them: it notes each write in a file.
      await add('audit log', parts.audit);
      await add('all of them', [...tls, ...access, ...quotas, ...metrics, ...parts.web], { ca, token });
      loads.echo = await echo(keep, answer, plan.seconds);
      loads['echo, TLS'] = await echo(keep, answer, plan.seconds, parts.pair, { ca });
      const sides = await inTurn({ ...plan, rounds: plan.rounds + MORE_ROUNDS }, loads);
      const figure = (name: string, peer: string, atMost?: number) =>
        cpuRatio('E', `UpdateContext, ${name} beside ${peer}`, 'call', sides[name]!, sides[peer]!, atMost);
      return [
        figure('token and rules', 'plain', AT_MOST),
        figure('quotas', 'plain', AT_MOST),
        figure('metrics', 'plain', AT_MOST),
        figure('web port', 'plain', AT_MOST),
        figure('all of them', 'TLS', AT_MOST),
        figure('audit log', 'plain'),
        figure('TLS', 'plain'),
        cpuRatio('E', 'grpc-js echo, TLS beside none', 'call', sides['echo, TLS']!, sides.echo!),
      ];
    }),
};

function drive(server: Process, connections: readonly Connection[], path: string, seconds: number) {
  return () => closedLoop(server, connections, { path, body: nextUpdate, inFlight: IN_FLIGHT, seconds });
}

async function echo(
  keep: Keep,
  answer: Uint8Array,
  seconds: number,
  pair: readonly string[] = [],
  security: Security = {},
) {
  const server = keep(await startEcho(...pair), (each) => each.stop());
  const connections = keep(await open(server.address, CONNECTIONS, security), closeAll);
  await connections[0]!.unary('/bench.Echo/Prepare', answer);
  return drive(server, connections, '/bench.Echo/Answer', seconds);
}

/** Flags of each part, and what a client needs to get in. Quotas that are never reached are counted all the same. */
async function settingsIn(directory: string) {
  const authority = await Authority.create();
  const { cert, key } = await writePair(directory, 'server', await authority.issue({ names: HERE }));
  const token = newToken();
  const [tokens, rules] = [join(directory, 'tokens'), join(directory, 'rules.json')];
  writeFileSync(tokens, `${tokenLine(WHO, token)}\n`);
  const grants = [{ prefix: 'room:', rights: ['read', 'write', 'watch'] }];
  writeFileSync(rules, JSON.stringify({ identities: { [WHO]: { grants } } }));
  const ample = 'streams=10000,calls=10000,writesPerSecond=1000000,bytesPerSecond=1GiB';
  return {
    ca: authority.cert,
    token,
    pair: [cert, key],
    tls: ['--tls-cert', cert, '--tls-key', key],
    access: ['--auth-tokens', tokens, '--auth-rules', rules],
    quotas: ['--quotas', ample, '--connection-quotas', ample],
    metrics: ['--metrics-listen', '127.0.0.1:0'],
    // Nothing calls it: what it costs those who call the gRPC port.
    web: ['--web-listen', '127.0.0.1:0'],
    audit: ['--audit-log', join(directory, 'audit.log')],
  };
}
